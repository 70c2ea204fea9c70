"""The driver of the behaviour suite: carries out its commands with this client as users would.

Speaks `clients/suite/protocol.ts` on stdin and stdout. No part of the published package.
"""

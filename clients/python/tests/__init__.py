"""Tests of the client, against a server in this process that answers as it is told."""

/**
 * The standard health service, for `createClient(Health, transport)`: it needs no token.
 */
export {
  Health,
  type HealthCheckRequest,
  type HealthCheckResponse,
  HealthCheckResponse_ServingStatus as ServingStatus,
} from "./gen/grpc/health/v1/health_pb.ts";

export {
  ApprovalServiceClient,
  type ApprovalServiceServer,
  ApprovalServiceService,
  ApprovalState,
  type AwaitRequest,
  type AwaitResponse,
  type WithdrawResponse,
} from './gen/trotline/v1/approval.ts';
export { decodeClaimOperations, encodeClaimAnswers } from './claim-wire.ts';
export * as convert from './convert.ts';
export {
  HealthCheckResponse_ServingStatus,
  HealthClient,
  type HealthServer,
  HealthService,
} from './gen/grpc/health/v1/health.ts';
export {
  type ClaimAnswer as WireClaimAnswer,
  ClaimRequest,
  ClaimResponse,
  ClaimServiceClient,
  type ClaimServiceServer,
  ClaimServiceService,
} from './gen/trotline/v1/claim.ts';
export {
  Applied,
  ApplyState,
  ConfigServiceClient,
  type ConfigServiceServer,
  ConfigServiceService,
  Hello,
  HookApplied,
  HookSet,
  Plugin,
  PluginKind,
  WatchRequest,
  WatchResponse,
} from './gen/trotline/v1/config.ts';
export {
  type EndResponse,
  GroupServiceClient,
  type GroupServiceServer,
  GroupServiceService,
  type JoinRequest,
  type JoinResponse,
  type MembersResponse,
} from './gen/trotline/v1/group.ts';
export {
  KeyServiceClient,
  type KeyServiceServer,
  KeyServiceService,
  type KeysResponse,
} from './gen/trotline/v1/keys.ts';
export {
  PublishRequest,
  PublishResponse,
  ReportServiceClient,
  type ReportServiceServer,
  ReportServiceService,
} from './gen/trotline/v1/report.ts';

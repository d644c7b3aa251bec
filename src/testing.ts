/** `verdict/testing`: for the tests of services that take part in transactions. */
import './system/check-node.ts';

export {
  type Callable,
  type CallBranchOptions,
  type Called,
  type CalledBranch,
  type CallPrepareOptions,
  call,
  type RepeatOptions,
} from './testing/call.ts';
export type { TestClock } from './testing/clock.ts';
export {
  type SettledOptions,
  startTestCoordinator,
  type TestCoordinator,
  type TestCoordinatorOptions,
  type TestOptions,
} from './testing/coordinator.ts';
export {
  type FaultName,
  type FaultOptions,
  faultNames,
  type InjectedFault,
} from './testing/faults.ts';
export type { StartParticipant, TestParticipant } from './testing/participant.ts';
export { resourceContract } from './testing/resource-contract/contract.ts';
export {
  CrashedError,
  type ListingResource,
  type ResourceContractOptions,
  type ResourceHarness,
  type Writes,
} from './testing/resource-contract/harness.ts';

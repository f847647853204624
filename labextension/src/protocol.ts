/**
 * What the panel and the kernel say to each other: the shapes of `rust/kale_model` and `rust/kale_verbs` as JSON, and
 * those that `python/kale_rs/channel.py` adds. A test compares `VERBS` with the functions of `kale_rs` and with the
 * verbs of the command line.
 */

/** Raised when an older panel could not cope with the answers any more. */
export const PROTOCOL = 1;

/** The name under which the kernel listens for comms. */
export const COMM_TARGET = 'kale_rs';

/** Everything the panel asks for is also a function of `kale_rs` and a verb of `kale-rs`. */
export const VERBS = [
  'archive',
  'artifact',
  'cancel',
  'compile',
  'context',
  'diff',
  'graph',
  'lineage',
  'logs',
  'predict',
  'restore',
  'resume',
  'run',
  'runs',
  'schedule',
  'serve',
  'services',
  'show',
  'sweep',
  'sweeps',
  'unarchive'
] as const;

export interface Hello {
  version: string;
  protocol: number;
  python: string;
  executable: string;
  /** Where the notebook lies on the kernel's disk; `null` when the kernel cannot tell. */
  notebook: string | null;
  verbs: string[];
}

/** Lines and columns from 1, columns in UTF-16 units. */
export interface Position {
  line: number;
  column: number;
}

export interface Related {
  cell: number;
  start: Position;
  end: Position;
  message: string;
}

export type Edit =
  | { cell: number; start: Position; end: Position; text: string }
  | { cell: number; tags: { add: string[]; remove: string[] } }
  | { cell: number; insert: { source: string; tags: string[] } };

export interface Fix {
  title: string;
  edits: Edit[];
}

export type Severity = 'error' | 'warning' | 'info';

export interface Diagnostic {
  id: string;
  severity: Severity;
  message: string;
  help: string;
  /** Index of the cell; `null` for the notebook as a whole. */
  cell: number | null;
  cell_id: string | null;
  start: Position | null;
  end: Position | null;
  related: Related[];
  fixes: Fix[];
}

export interface GraphStep {
  name: string;
  cells: number[];
  inputs: string[];
  outputs: string[];
  parameters: string[];
}

export interface GraphEdge {
  from: string;
  to: string;
  variables: string[];
  resources: string[];
  /** Whether a `prev:` tag asks for it. */
  declared: boolean;
}

export interface Parameter {
  name: string;
  type: string;
  default: unknown;
}

export interface Reason {
  from: string;
  to: string;
  kind: 'variable' | 'resource' | 'declared';
  name: string;
  produced: Related;
  consumed: Related;
}

/** Where the boxes and lines of a graph go, in the order of its steps and edges; `x`, `y` are top left corners. */
export interface Layout {
  width: number;
  height: number;
  steps: { x: number; y: number; width: number; height: number; detail: string }[];
  edges: { path: string; tip: { x: number; y: number } }[];
}

export interface Graph {
  /** `null` when the notebook has errors that leave no pipeline. */
  pipeline: string | null;
  steps: GraphStep[];
  edges: GraphEdge[];
  parameters: Parameter[];
  metrics: { name: string; step: string }[];
  diagnostics: Diagnostic[];
  why?: Reason[];
  layout?: Layout;
}

export type RunStatus = 'pending' | 'running' | 'interrupted' | 'succeeded' | 'failed' | 'cancelled';
export type StepStatus = RunStatus | 'cached' | 'skipped';

export interface Step {
  name: string;
  status: StepStatus;
  seconds: number;
  cells: number[];
}

export interface Run {
  /** `null` when nothing could be compiled. */
  run_id: string | null;
  status: RunStatus;
  seconds: number;
  steps: Step[];
  metrics: Record<string, number | string>;
  parameters: Record<string, unknown>;
  source: string | null;
  notebook: string | null;
  diagnostics: Diagnostic[];
  /** The cluster that carries it out, and its page there; without one it is this machine. */
  context?: string;
  remote?: { id: string; url: string };
}

/** The values that one varied parameter may have. */
export type Domain =
  | { kind: 'int'; low: number; high: number; step: number; scale: Scale }
  | { kind: 'double'; low: number; high: number; step: number | null; scale: Scale }
  | { kind: 'discrete'; values: number[] }
  | { kind: 'categorical'; values: unknown[] };

export type Scale = 'linear' | 'logarithmic';

export interface Dimension {
  name: string;
  domain: Domain;
}

export type Direction = 'minimize' | 'maximize';

export interface Objective {
  metric: string;
  direction: Direction;
}

/** A sweep as it is asked for, with what was not said. */
export interface SweepDefinition {
  space: Dimension[];
  objectives: (Objective & { goal: number | null })[];
  algorithm: string;
  settings: Record<string, string>;
  trials: number;
  parallel: number;
  seed: number;
}

export interface SweepPlan {
  definition: SweepDefinition;
  is_guessed: boolean;
  /** What is varied, and read by no step. */
  unread: string[];
  /** What is to be said of it besides. */
  remarks: string[];
  trials: number;
  /** `null` where it depends on what comes out. */
  step_executions: number | null;
  /** As many as there would be if nothing was shared. */
  without_sharing: number;
  /** By what the steps took when they last ran. */
  seconds: number | null;
}

export interface Trial {
  trial: number;
  run_id: string;
  status: RunStatus;
  /** Those that are varied. */
  parameters: Record<string, unknown>;
  metrics: Record<string, number | string>;
  seconds: number;
  /** Why it does not count. */
  reason?: string;
}

export interface Sweep {
  sweep_id: string;
  status: RunStatus;
  objective: Objective;
  /** All of them, where there are several. */
  objectives?: Objective[];
  /** Trials that no other is better than in all objectives, where there are several. */
  front?: number[];
  best: { trial: number; value: number; parameters: Record<string, unknown>; run_id: string } | null;
  trials: Trial[];
  step_executions: number;
  planned_step_executions: number | null;
  reason?: string;
  definition: SweepDefinition;
}

/** What was begun, or would be. */
export interface SweepAnswer extends Partial<Sweep> {
  /** `null` when nothing could be compiled. */
  plan: SweepPlan | null;
  diagnostics: Diagnostic[];
}

/** A place where runs are carried out. */
export interface Context {
  name: string;
  kind: 'local' | 'kubeflow';
}

export interface Contexts {
  contexts: Context[];
  /** The one that is meant where none is named. */
  current: string;
}

/** Where a run of a cluster is there now. */
export interface Archived {
  run_id: string;
  archived: boolean;
}

/** A pipeline that a cluster runs by the clock. */
export interface Schedule {
  id: string;
  name: string;
  /** Whether it starts runs. */
  enabled: boolean;
  cron: string | null;
  every_seconds: number | null;
  /** Its page. */
  url: string;
}

/** A schedule that was added. */
export interface Scheduled {
  /** `null` where the notebook has errors. */
  schedule: Schedule | null;
  diagnostics: Diagnostic[];
}

/** What is known of a step beside its `Step`. */
export interface StepDetail {
  attempt: number;
  /** Seconds since the epoch. */
  started: number | null;
  cpu_seconds: number | null;
  peak_memory_bytes: number | null;
  /** Why it is cached, or why it ran again. */
  reason: string | null;
  /** Index of the cell it is at. */
  cell: number | null;
  cells_done: number | null;
  cells_total: number | null;
}

export interface RunDetail extends Run {
  /** Number of the last event. */
  sequence: number;
  /** In the order of `steps`. */
  details: StepDetail[];
}

export interface ArtifactHead {
  id: string;
  names: string[];
  bytes: number | null;
  kind: string;
  type: string;
}

/** One step of a run, with all that it made. */
export interface StepPage {
  run_id: string;
  step: Step & StepDetail;
  artifacts: ArtifactHead[];
  inputs: ArtifactHead[];
  files: { id: string; path: string; bytes: number | null }[];
  cells: { cell: number; source: string; outputs: Record<string, unknown>[] }[];
  /** Whether its variables can be put back. */
  snapshot: boolean;
  log_bytes: number;
  /** Whether it was made here, or somebody has said that whoever made it is trusted. */
  trusted: boolean;
}

export interface Artifact extends ArtifactHead {
  /** Its size as people say it: rows, columns, length. */
  summary: string;
  path: string | null;
  trusted: boolean;
  preview: { text?: string; html?: string; png?: string };
  made_by: string[];
  used_by: string[];
}

export interface Lineage {
  id: string;
  kind: 'run' | 'step' | 'artifact' | 'snapshot';
  facts: Record<string, unknown>;
  made_by: string[];
  uses: string[];
  made: string[];
  used_by: string[];
}

export interface Compiled {
  target: string;
  emitted: string | null;
  files: string[];
  diagnostics: Diagnostic[];
}

export interface Restored {
  run_id: string;
  step: string;
  before: boolean;
  notebook: string | null;
}

export interface Diff {
  diff: Record<string, unknown>;
  text: string;
  markdown: string;
}

/** How a service does; `silent` when it does not say. */
export type ServiceState = 'starting' | 'ready' | 'degraded' | 'stopping' | 'silent';

/** A served model. */
export interface Service {
  name: string;
  url: string;
  version: string;
  pid: number;
  bundle: string;
  /** When it was ready. */
  since: string;
  /** What it was started with; `token_env`: the environment variable that has the token which requests show. */
  settings: { token_env: string | null } & Record<string, unknown>;
  state: ServiceState;
  /** Without these it does not say, or wants a token that the kernel does not have. */
  requests?: { total: number; errors: number; rejected: number; queued: number };
  latency_seconds?: { p50: number; p90: number; p99: number; mean: number };
  replicas?: { pid: number; state: string; requests: number; restarts: number; rss_bytes: number | null }[];
}

/** With what takes a look into its bundle and the store. */
export interface ServicePage extends Service {
  /** `bundle.json`. */
  about: {
    model?: { flavour: string; class?: string; method?: string };
    functions?: { preprocess?: string | null; postprocess?: string | null };
    assets?: Record<string, unknown>;
    signature?: { inputs?: Tensor[]; outputs?: Tensor[] };
    example?: unknown;
  };
  /** `null` where the model was the notebook's, or in a file. */
  origin: ServiceOrigin | null;
}

interface Tensor {
  name: string;
  datatype: string;
  shape: number[];
}

/** The variable of a run that is served. */
export interface ServiceOrigin {
  run: string;
  step: string;
  variable: string;
  /** Of run and step; `null` when the run is not stored any more. */
  ids: [string, string] | null;
  trial?: { sweep_id: string; trial: number };
}

/** A service that was started. */
export interface Served {
  name: string;
  url: string;
  version: string;
  pid: number;
  /** Whether a fresh process gave the notebook's answer to the example; `null`: there was none to ask about. */
  verified: boolean | null;
  remarks: string[];
}

/** What a service answers, or says of a request that it does not answer. */
export interface Predicted {
  name: string;
  /** HTTP's. */
  status: number;
  seconds: number;
  predictions: unknown;
  error: { message: string; type: string | null; traceback: string | null } | null;
}

/** A variable of the kernel that has rows. */
export interface Variable {
  name: string;
  type: string;
  rows: number;
}

/** What each verb answers. */
export interface Answers {
  archive: Archived;
  artifact: Artifact;
  cancel: Run;
  compile: Compiled;
  context: Contexts;
  diff: Diff;
  graph: Graph;
  lineage: Lineage;
  logs: { logs: { step: string; text: string; offset: number; next: number }[] };
  predict: Predicted;
  restore: Restored;
  resume: Run;
  run: Run;
  runs: { runs: Run[] };
  /** With the action `list`; with `add` a `Scheduled`, and with any other one a `Schedule`. */
  schedule: { schedules: Schedule[] };
  serve: Served;
  /** With the action `list`; with `show` a `ServicePage`. */
  services: { services: Service[] };
  show: RunDetail;
  sweep: SweepAnswer;
  /** With the action `list`; with any other one, a `Sweep`. */
  sweeps: { sweeps: Sweep[] };
  unarchive: Archived;
  hello: Hello;
  ping: Record<string, never>;
  watch: Record<string, never>;
  watch_sweep: Record<string, never>;
  watch_services: Record<string, never>;
  watch_service_log: Record<string, never>;
  unwatch_service_log: Record<string, never>;
  variables: { variables: Variable[] };
}

/** What the kernel tells by itself. */
export type Notification =
  | { method: 'run'; params: { run_id: string; sequence: number; detail: RunDetail } }
  | { method: 'sweep'; params: { sweep_id: string; sweep: Sweep } }
  | { method: 'services'; params: { services: Service[] } }
  | { method: 'service_log'; params: { name: string; text: string; first: boolean } }
  | { method: 'log'; params: { run_id: string; step: string; offset: number; text: string } };

/** Everything that has not come to a good end. */
export function isResumable(status: RunStatus): boolean {
  return status === 'interrupted' || status === 'cancelled' || status === 'failed';
}

export function isFinished(status: StepStatus): boolean {
  return status !== 'pending' && status !== 'running';
}

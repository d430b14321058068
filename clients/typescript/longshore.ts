// Longshore's client. Made by `longshore export ts` (version 0.1.0); changes to this file are lost.
// Types of the kinds' payloads, enqueueing inside your own transaction, and the HTTP API: docs/TYPESCRIPT.md.

/* eslint-disable */

// ------------------------------------------------------------------------------------------------------------------
// The kinds and their payloads

/**
 * Delivers an event that was written down for an endpoint. Enqueued by the database, with what it tells of; what is sent stands
 * there, not here.
 */
export interface DeliverWebhook {
  /** The delivery, as it was written down. */
  delivery_id: number;
}

/** A campaign. A plain number everywhere: people call campaigns by name. */
export type CampaignId = number;

/** Ends the running enrollments of a campaign that has ended. */
export interface EndEnrollments {
  /** The campaign. */
  campaign_id: CampaignId;
}

/** The lead to look up. */
export interface EnrichPerson {
  /** A lead of the job's team. */
  lead_id: number;
}

/** Enrolls the leads of a campaign. */
export interface EnrollBatch {
  /** The campaign. */
  campaign_id: CampaignId;
}

/** Erases what is known of the person of a request. */
export interface ErasePerson {
  /** The request, which says whom it is about: a payload is kept, and would tell. */
  request_id: number;
}

/** Erases the team of a request. */
export interface EraseTeam {
  /** The request, which says whom it is about: a payload is kept, and would tell. */
  request_id: number;
}

/** Exports what is known of the person of a request. */
export interface ExportPerson {
  /** The request, which says whom it is about: a payload is kept, and would tell. */
  request_id: number;
}

/** Exports everything of a team. */
export interface ExportTeam {
  /** The request, which says whom it is about: a payload is kept, and would tell. */
  request_id: number;
}

/** Loads one uploaded file. */
export interface IngestFile {
  /** The file, as the upload gave it. */
  file_id: number;
}

/** Refreshes the team's tags. */
export type RefreshTags = Record<string, never>;

/**
 * Puts every team's data keys under another key of the keyring, so that the older ones are no longer needed. A job of the
 * house's own team.
 */
export interface RotateSecrets {
  /**
   * The id of the key to put them under: not simply each worker's current one, so that workers whose configurations
   * differ for a while do not undo each other's work.
   */
  to: string;
}

/** Works through a plan for dead letters. */
export interface RunDeadPlan {
  /** The plan: plan_7. */
  plan: string;
}

/** Plans what is due in a campaign. */
export interface RunSequence {
  /** The campaign. */
  campaign_id: CampaignId;
}

/** Sends a planned message. */
export interface SendSms {
  /** The message, as it was planned. */
  message_id: number;
}

/** Every kind of job, and what it takes. */
export interface Payloads {
  /** Queue `webhooks`, 16 attempts. */
  deliver_webhook: DeliverWebhook;
  /** Queue `enrollment`, 10 attempts. */
  end_enrollments: EndEnrollments;
  /** Queue `enrichment`, 10 attempts. */
  enrich_person: EnrichPerson;
  /** Queue `enrollment`, 10 attempts. */
  enroll_batch: EnrollBatch;
  /** Queue `upkeep`, 10 attempts. */
  erase_person: ErasePerson;
  /** Queue `upkeep`, 10 attempts. */
  erase_team: EraseTeam;
  /** Queue `upkeep`, 10 attempts. */
  export_person: ExportPerson;
  /** Queue `upkeep`, 10 attempts. */
  export_team: ExportTeam;
  /** Queue `datalake`, 10 attempts. */
  ingest_file: IngestFile;
  /** Queue `enrollment`, 10 attempts. */
  refresh_tags: RefreshTags;
  /** Queue `upkeep`, 10 attempts. */
  rotate_secrets: RotateSecrets;
  /** Queue `upkeep`, 10 attempts. */
  run_dead_plan: RunDeadPlan;
  /** Queue `enrollment`, 10 attempts. */
  run_sequence: RunSequence;
  /** Queue `messages`, 10 attempts. */
  send_sms: SendSms;
}

/** The name of a kind. */
export type Kind = keyof Payloads;

// ------------------------------------------------------------------------------------------------------------------
// What the HTTP API takes and gives

/** An attempt that did not succeed. */
export interface Attempt {
  /** Which one, counted from 1; 0 when the job was cancelled before it ran. */
  attempt: number;
  /** When it ended. */
  ended_at: string;
  /** What went wrong. */
  error?: string | null;
  /** The process that ran it. */
  process?: string | null;
  /** `retry`, `dead`, `lost` (its process was gone) or `cancelled`. */
  result: string;
  /** When it began. */
  started_at?: string | null;
}

/** What somebody did. */
export interface AuditEntry {
  action: string;
  /** `key <id>` or `operator <name>`; else the role of a process. */
  actor: string;
  /** How it is. */
  after?: unknown;
  at: string;
  /** How it was, where that says something. */
  before?: unknown;
  /** SHA-256 over this entry and the hash of the one before. */
  hash: string;
  reason?: string | null;
  /** Its number in the team's chain: 1, 2, 3 … without a gap. */
  seq: number;
  target: string;
}

/** A page of entries, the newest first. */
export interface AuditPage {
  entries: AuditEntry[];
  /** The next page's `after`; left out where no more follow. */
  next?: number | null;
}

/** A batch: jobs that belong together, and the job behind the last of them. Its counts are added up about once a second. */
export interface Batch {
  /** So many were cancelled. */
  cancelled: number;
  created_at: string;
  /** So many ended dead. */
  dead: number;
  /** Of which so many are done. */
  done: number;
  ended_at?: string | null;
  id: string;
  /** Jobs that have joined it. */
  jobs: number;
  sealed_at?: string | null;
  /** `open`: more may join; `sealed`: no more may; `ended`: all of them have ended. */
  state: BatchState;
  /** The job that was. */
  then_job?: string | null;
  /** What is enqueued when it has ended. */
  then_kind?: string | null;
}

/** What became of a batch. */
export interface BatchBody {
  /** Jobs newly accepted. */
  accepted: number;
  /** Jobs that their keys had named before. */
  deduplicated: number;
  /** Items refused; each says why. */
  refused: number;
  /** One for each item, in the order they came. */
  results: ItemBody[];
}

/** Jobs to accept, of any kinds. */
export interface BatchRequest {
  /** 1 to 1,000 jobs, each as in `POST /v1/jobs`. */
  jobs: JobRequest[];
}

/** Where a batch is in its life. */
export type BatchState = "open" | "sealed" | "ended";

/** A dead letter, whole. */
export type DeadBody = DeadRow & {
  correlation_id?: string | null;
  created_at: string;
  /** Every failed attempt, oldest first. */
  errors: Attempt[];
  max_attempts: number;
  payload: Record<string, unknown>;
  /** The dead letter that it repeated. */
  replay_of?: string | null;
  /** The first job of its lineage. */
  root?: string | null;
  version: number;
};

/** A page of dead letters, the newest first. */
export interface DeadPage {
  letters: DeadRow[];
  /** The next page's `after`; left out where no more follow. */
  next?: string | null;
}

/** A dead letter in a list. */
export interface DeadRow {
  /** Attempts it had. */
  attempts: number;
  died_at: string;
  /** When it was given up. */
  discarded_at?: string | null;
  /** Its last error. */
  error: string;
  id: string;
  kind: string;
  /** The job that repeats it. */
  replayed_as?: string | null;
  replayed_at?: string | null;
}

/** A delivery that was asked for. */
export interface DeliveryAccepted {
  /** The delivery; `GET …/deliveries/{id}` says what became of it. */
  id: string;
  /** Its job; left out where the delivery says so itself. */
  job?: string | null;
}

/** One event for one endpoint. */
export interface DeliveryBody {
  /** How often it was tried. */
  attempts: number;
  created_at: string;
  ended_at?: string | null;
  endpoint: string;
  event: string;
  /** The `webhook-id` that the receiver sees: the same at every try. */
  event_id: string;
  id: string;
  /** The job that delivers it. */
  job: string;
  /** Why it was not taken. */
  problem?: string | null;
  /** `waiting`, `delivered`, `failed`, `skipped` or `cancelled`. */
  state: string;
  /** The last answer's HTTP status. */
  status?: number | null;
  tried_at?: string | null;
}

/** A page of deliveries, the newest first. */
export interface DeliveryPage {
  deliveries: DeliveryBody[];
  /** The next page's `after`; left out where no more follow. */
  next?: string | null;
}

/** Jobs of one kind that ended on one day in one way, and whose history was dropped. */
export interface Dropped {
  /** The day they ended, in UTC. */
  day: string;
  /** When their history was dropped. */
  dropped_at: string;
  /** The first of them. */
  first_job: string;
  /** How many there were. */
  jobs: number;
  /** Their kind. */
  kind: string;
  /** The last of them. */
  last_job: string;
  /** `done`, `dead` or `cancelled`. */
  outcome: string;
}

/** Where webhooks go to. */
export interface EndpointBody {
  created_at: string;
  description: string;
  /** Since when nothing is sent to it. */
  disabled_at?: string | null;
  /** Why. */
  disabled_reason?: string | null;
  enabled: boolean;
  /** What it is told. */
  events: string[];
  /** Since when it has taken nothing, though it was tried. */
  failing_since?: string | null;
  id: string;
  /** Of job events only those of jobs of these kinds; null: of all. */
  kinds?: string[] | null;
  /** Until when the older one signs. */
  old_secret_until?: string | null;
  /** Secrets that sign now: two while one is replaced. */
  secrets: number;
  url: string;
}

/** What is to be different about an endpoint. */
export interface EndpointChange {
  description?: string | null;
  /** Whether anything is sent to it. */
  enabled?: boolean | null;
  /** All that it is told from now on. */
  events?: string[] | null;
  /** Of job events only those of jobs of these kinds; an empty list: of all. */
  kinds?: string[] | null;
  /** An https address on the public network, port 443 or from 1024 on. */
  url?: string | null;
}

/** A team's endpoints. */
export interface EndpointList {
  endpoints: EndpointBody[];
}

/** An endpoint to set. */
export interface EndpointRequest {
  /** What people call it. */
  description?: string;
  /** False: nothing is sent to it yet. */
  enabled?: boolean;
  /** What it is told; docs/WEBHOOKS.md lists the events. */
  events: string[];
  /** Of job events only those of jobs of these kinds; all when left out. */
  kinds?: string[] | null;
  /** An https address on the public network, port 443 or from 1024 on. */
  url: string;
}

/** An endpoint, and the secret that it was just given. */
export interface EndpointSecret {
  endpoint: EndpointBody;
  /** What deliveries are signed with. Keep it now: it is never shown again. */
  secret: string;
}

/** One field that was wrong. */
export interface FieldError {
  /** What is wrong with it. */
  detail: string;
  /** The header, where the field is one. */
  header?: string | null;
  /** The parameter of the address, where the field is one. */
  parameter?: string | null;
  /** Where it stands in the body (JSON pointer). */
  pointer?: string | null;
}

/** Every flag as the team has it. */
export interface FlagList {
  flags: TeamFlag[];
}

/** What is known of a job whose history was dropped: nothing of itself, but for a dead letter. */
export interface Gone {
  /** The jobs among which it was, if it ever was: what their history was reduced to when it was dropped. */
  among: Dropped[];
  /** It died, and its dead letter is kept, whole. */
  dead_letter: boolean;
}

/** The letters of one team and kind. */
export interface Group {
  /** New jobs that were cancelled. */
  cancelled: number;
  /** The most credits that those still to do may cost. */
  credits: number;
  /** New jobs that died again. */
  dead: number;
  /** New jobs that are done. */
  done: number;
  /** New jobs so old that their history is gone. */
  forgotten: number;
  /** The kind. */
  kind: string;
  /** Still to do. */
  left: number;
  /** How many there are. */
  letters: number;
  /** Can't run again. */
  refused: number;
  /** Run again, as new jobs. */
  replayed: number;
  /** Replayed or discarded by somebody else. */
  settled: number;
  /** The team's name. */
  team: string;
  /** New jobs that wait or run. */
  unfinished: number;
}

/** What became of one item. */
export interface ItemBody {
  /** Why it was refused, for programs. */
  code?: string | null;
  /** The key had named this job before. */
  deduplicated: boolean;
  /** Why it was refused, in words. */
  detail?: string | null;
  /** The fields that were wrong. */
  errors?: FieldError[];
  /** The job, where there is one. */
  id?: string | null;
  /** Its place in the batch, from 0. */
  index: number;
  /** What the item alone would have been answered: 202, 200 for a duplicate, or a refusal. */
  status: number;
}

/** A job that was accepted, or that its key had named before. */
export interface JobAccepted {
  /** The idempotency key had named this job before; nothing new was accepted. */
  deduplicated: boolean;
  /** Its id. */
  id: string;
  state?: JobState | null;
}

/** A job, wherever it is. */
export interface JobBody {
  /** The attempt it is in, or the last it made; 0 before the first. */
  attempt: number;
  /** Every attempt that did not succeed, oldest first. */
  attempts: Attempt[];
  correlation_id?: string | null;
  created_at: string;
  /** The reason in words. */
  detail?: string | null;
  finished_at?: string | null;
  id: string;
  kind: string;
  max_attempts: number;
  /** What its handler gave back. */
  output?: Record<string, unknown> | null;
  /** The job whose handler enqueued it. */
  parent?: string | null;
  priority: number;
  progress?: ProgressBody | null;
  queue: string;
  /**
   * Why it is there. Waiting: `ready`, `delayed`, `retry`, `snoozed`, `unknown` (an effect is being looked up) or
   * `parked`. Running: `cancelling`. Dead: `discarded` once it was given up.
   */
  reason?: string | null;
  /** The dead letter it repeats. */
  replay_of?: string | null;
  /** The job that repeats this dead letter. */
  replayed_as?: string | null;
  /** When it runs next, where that is decided. */
  run_at?: string | null;
  started_at?: string | null;
  state: JobState;
}

/** What became of a wish to cancel. */
export interface JobCancelled {
  id: string;
  /** `cancelled`: it will not run. `running`: its handler is told within seconds; look again. */
  state: JobState;
}

/** A page of jobs, the newest first. */
export interface JobPage {
  jobs: JobRow[];
  /**
   * The next page's `after`; left out at the end. A page may be short, or empty, and have a `next`: one request looks at a
   * bounded number of jobs.
   */
  next?: string | null;
}

/** A job to accept. */
export interface JobRequest {
  /** Jobs to follow, one after the other, each when the one before is done. Not in a batch. */
  chain?: Link[] | null;
  /** Ties the job to what caused it, in every log line; the request's id when left out. */
  correlation_id?: string | null;
  /** The same key, for the same team and kind, gives one job for 30 days. The header `Idempotency-Key` says the same. */
  idempotency_key?: string | null;
  key_scope?: KeyScope | null;
  /** What it does: one of the kinds that `longshore kinds` lists. The queue follows from it. */
  kind: string;
  /** At most `limit_to` jobs of the team with this key run at once, whatever their kinds. */
  limit_key?: string | null;
  /** How many with `limit_key` run at once; 1 when left out. */
  limit_to?: number | null;
  on_conflict?: OnConflict | null;
  /** With what: the fields of the kind, up to 256 KiB and 32 levels deep. */
  payload: Record<string, unknown>;
  /** 0 runs first, 9 last; the kind's own when left out. */
  priority?: number | null;
  /** Not before this moment; at most a year ahead. */
  run_at?: string | null;
}

/** A job in a list. */
export interface JobRow {
  /** The attempt it is in, or the last it made. */
  attempt: number;
  created_at: string;
  finished_at?: string | null;
  id: string;
  kind: string;
  queue: string;
  /** Why it waits: `ready`, `delayed`, `retry`, `snoozed`, `unknown`, `parked`, `blocked` or `suspect`. */
  reason?: string | null;
  /** When it runs next, where that is decided. */
  run_at?: string | null;
  state: JobState;
}

/** Where a job is in its life. */
export type JobState = "waiting" | "running" | "done" | "dead" | "cancelled";

/** A key, without its secret. */
export interface KeyBody {
  /** Of which so many at once. */
  burst?: number | null;
  created_at: string;
  /** When it ends by itself. */
  expires_at?: string | null;
  /** Its public id, the third part of the key. */
  id: string;
  /** The day it was last used. */
  last_used_on?: string | null;
  /** The first of the keys that replaced each other, itself among them. */
  lineage: string;
  name: string;
  /** Who acts with it, where it is no key of the team's but the token of an operator. */
  operator?: string | null;
  /** Requests that it may make a second, where it has a rate of its own; never more than every key. */
  per_second?: number | null;
  revoked_at?: string | null;
  scopes: string[];
}

/** A page of keys, newest first. */
export interface KeyPage {
  keys: KeyBody[];
  /** The next page's `after`; left out where no more follow. */
  next?: string | null;
}

/** A live key that has a rate of its own. */
export interface KeyRate {
  /** Of which so many at once. */
  burst: number;
  /** Its public id. */
  key: string;
  /** Requests a second. */
  per_second: number;
}

/** A key to make. */
export interface KeyRequest {
  /** Of which so many at once; twice the rate if not said. */
  burst?: number | null;
  /** When it ends by itself; never if not said. */
  expires_at?: string | null;
  /** What you call it, to know it again. */
  name: string;
  /** Requests that it may make a second: no more than every key may, nor than your own. As those if not said. */
  per_second?: number | null;
  /** What it may do: enqueue, read and cancel if not said. Nothing that your own key may not. */
  scopes?: string[] | null;
}

/** How long an idempotency key stands. */
export type KeyScope = "period" | "unfinished" | "forever";

/** A job that follows another. */
export interface Link {
  /** What it does. */
  kind: string;
  /** With what. */
  payload: Record<string, unknown>;
}

/** What becomes of ticks that nobody was there to fire. */
export type Missed = "skip" | "run_once" | "catch_up";

/** A key just made. */
export interface NewKeyBody {
  expires_at?: string | null;
  /** Its public id. */
  id: string;
  /** The key itself. It is not stored, and this is the only time it is shown. */
  key: string;
  name: string;
  /** With a replacement: when the old key ends. */
  old_expires_at?: string | null;
  scopes: string[];
}

/** What the same idempotency key means while it stands. */
export type OnConflict = "first" | "replace" | "debounce";

/** Why a schedule is stopped. */
export interface PauseRequest {
  /** For whoever looks at it later. */
  reason?: string | null;
}

/** A request that was taken. */
export interface PersonAsked {
  /** The job that carries it out; its output is the receipt. */
  job: string;
  /** The same was asked before and is under way: this is it. */
  known: boolean;
  /** Its number, which the receipt bears. */
  request: number;
}

/** Who it is about: by telephone number, by e-mail, or both. */
export interface PersonRequest {
  email?: string | null;
  /** In any form; a US number needs no country. */
  phone?: string | null;
  /** Why, for the audit log: no personal data. */
  reason?: string | null;
}

/** A plan, and what became of it. */
export interface PlanBody {
  approved_at?: string | null;
  /** The most credits that it may cost. */
  credits: number;
  /** What the team has of them now; left out where it costs none. */
  credits_available?: number | null;
  ended_at?: string | null;
  id: string;
  /** Its letters by kind, and what became of them. */
  kinds: Group[];
  /** Letters still to do. */
  left: number;
  letters: number;
  made_at: string;
  /** It is too large to run before an operator has approved it. */
  needs_approval: boolean;
  note?: string | null;
  /** The edit (RFC 6902). */
  patch?: Record<string, unknown>[] | null;
  rate_per_second?: number | null;
  /** Why they died; numbers in a reason are folded to `#`. */
  reasons: Reason[];
  /** Why some can't run again. */
  refusals: Reason[];
  started_at?: string | null;
  state: State;
  stopped_at?: string | null;
}

/** What narrows a plan. Each field left out does not. */
export interface PlanFilter {
  /** Only with this text in the last error, in any case. */
  error?: string | null;
  /** Only these. */
  jobs?: string[] | null;
  /** Only of this kind. */
  kind?: string | null;
  /** Only those that died then or later. */
  since?: string | null;
  /** Only those that died then or earlier. */
  until?: string | null;
}

/** Which dead letters to run again, and how. */
export interface PlanRequest {
  /** Which: `{}` is all that are open. */
  filter: PlanFilter;
  /** The oldest so many of them. */
  limit?: number;
  /** Why, for whoever looks at it later. */
  note?: string | null;
  /** What is done to each payload: a JSON patch (RFC 6902) of at most 50 operations. */
  patch?: Record<string, unknown>[] | null;
  /** Replays a second at most. */
  rate_per_second?: number | null;
}

/** A plan that the workers carry out. */
export interface PlanStarted {
  id: string;
  /** The job that does it. Cancel it to stop; run the plan again to go on. */
  job: string;
}

/** The body of every refusal, `application/problem+json`. */
export interface Problem {
  /** The kind of problem, for programs. */
  code: string;
  /** What was wrong this time, and what to do. */
  detail: string;
  /** Names this one refusal in our logs. Quote it when you ask for help. */
  error_id: string;
  /** The fields that were wrong. */
  errors?: FieldError[];
  gone?: Gone | null;
  /** The HTTP status. */
  status: number;
  /** The kind of problem, in words. */
  title: string;
  /** Names the kind of problem. */
  type: string;
}

/** How far a job has come. */
export interface ProgressBody {
  done: number;
  /** Left out where the handler does not know. */
  total?: number | null;
}

/** A page of queues, by name. */
export interface QueuePage {
  /** When the jobs were counted; they are counted every few seconds. */
  measured_at?: string | null;
  /** The next page's `after`; left out where no more follow. */
  next?: string | null;
  queues: QueueRow[];
}

/** What a team may have in a queue. Where it has nothing of its own, what every team has; `null`: no limit. */
export interface QueueQuota {
  /** Of which so many at once. */
  burst?: number | null;
  /** When that was measured. */
  measured_at?: string | null;
  /** Some of it is set for this team alone. */
  own: boolean;
  /** Jobs that start in a second. */
  per_second?: number | null;
  /** The queue. */
  queue: string;
  /** Jobs that run at once. */
  running_most?: number | null;
  /** Waiting and running jobs as last measured; left out where no cap asks for it. */
  unfinished?: number | null;
  /** Waiting and running jobs; one more is refused. */
  unfinished_most?: number | null;
  /** Its turn against other teams'. */
  weight: number;
}

/** What the team has in a queue. What others have there is not said. */
export interface QueueRow {
  /** Jobs whose key's limit is reached. */
  blocked: number;
  /** Open dead letters. */
  dead: number;
  name: string;
  /** Since when the oldest ready job waits. */
  oldest_ready_at?: string | null;
  /** Jobs that wait for somebody or something. */
  parked: number;
  /** Jobs that may run now. */
  ready: number;
  /** Jobs that run. */
  running: number;
  /** Jobs whose time has not come. */
  scheduled: number;
}

/** A team's quotas. */
export interface Quotas {
  /** In each queue, by name. */
  queues: QueueQuota[];
  /** Rates that its jobs share by name, its own and those of every team. */
  rates: RateQuota[];
  /** Over HTTP. */
  requests: RequestQuota;
}

/** A rate that jobs share by name. */
export interface RateQuota {
  /** Of which so many at once. */
  burst: number;
  /** Its name. */
  name: string;
  /** How many a second. */
  per_second: number;
}

/** A reason, and how many letters share it. */
export interface Reason {
  /** The first of them. */
  example: string;
  /** How many. */
  letters: number;
  /** In words. */
  reason: string;
}

/** How a dead letter runs again. */
export interface ReplayRequest {
  /** With what; its own payload when left out. */
  payload?: Record<string, unknown> | null;
}

/** A dead letter that runs again. */
export interface Replayed {
  /** The new job. */
  id: string;
  /** The dead letter. */
  replay_of: string;
}

/** What the team's keys may ask for over HTTP. */
export interface RequestQuota {
  /** Bytes of a batch's body. */
  batch_bytes: number;
  /** Jobs of a batch. */
  batch_jobs: number;
  /** Bytes of a body. */
  body_bytes: number;
  /** Of which so many at once. */
  burst: number;
  /** Keys that have a smaller rate of their own. */
  keys: KeyRate[];
  /** Requests of one key a second, in all processes. */
  per_second: number;
  /** Answers that one key waits for at once (`?wait=`, `/events`), in one process. */
  waiting: number;
}

/** How a secret is replaced. */
export interface RotateRequest {
  /** How long the secret before goes on signing beside the new one. */
  keep_hours?: number;
}

/** A schedule. */
export interface ScheduleBody {
  catch_up_most: number;
  cron: string;
  /** The house's configuration says so; it is put back when that is read again. */
  declared: boolean;
  kind: string;
  last_due_at?: string | null;
  /** The job of that tick; left out where it was skipped. */
  last_job?: string | null;
  /** What becomes of ticks that nobody was there to fire: `skip`, `run_once` or `catch_up`. */
  missed: string;
  name: string;
  /** Its next tick; of a paused one, what it would have been. */
  next_due_at: string;
  /** Since when it does not fire. */
  paused_at?: string | null;
  /** Why: as somebody said, or as the scheduler that had to stop it found. */
  paused_reason?: string | null;
  payload: Record<string, unknown>;
  time_zone: string;
}

/** A page of schedules, by name. */
export interface SchedulePage {
  /** The next page's `after`; left out where no more follow. */
  next?: string | null;
  schedules: ScheduleBody[];
}

/** A schedule as somebody wants it. */
export interface ScheduleRequest {
  /** With `catch_up`: so many of the newest are made up for, the rest are skipped. */
  catch_up_most?: number;
  /** When: minute hour day month weekday. */
  cron: string;
  /** What its jobs do: one of the kinds that `longshore kinds` lists. */
  kind: string;
  /** What becomes of ticks that nobody was there to fire; one job stands for all when left out. */
  missed?: Missed;
  /** With what; `{}` when left out. */
  payload?: Record<string, unknown>;
  /** By which clocks: a name of the IANA database. */
  time_zone?: string;
}

/** Every setting of a team. */
export interface SettingList {
  settings: SettingView[];
}

/** A value for a setting. */
export interface SettingRequest {
  /** Of the setting's type; a secret is a text. */
  value: unknown;
}

/** A setting and how it stands for a team. */
export interface SettingView {
  /** What holds where nothing is set. */
  default?: unknown;
  /** What it is for, and its bounds. */
  description: string;
  /** The team has set it. */
  is_set: boolean;
  /** Its name. */
  name: string;
  /** `text`, `number`, `boolean`, `array` or `secret`. */
  type: string;
  /** When it was set. */
  updated_at?: string | null;
  /** Who set it. */
  updated_by?: string | null;
  /** What holds: as it was set, else the default. Of a secret only its mask: `••••cdef`. */
  value?: unknown;
  /** Another with each change; 0 where nothing is set. */
  version: number;
}

/** Where a plan is. */
export type State = "unapproved" | "ready" | "started" | "stopped" | "ended";

/** A flag as one team has it. */
export interface TeamFlag {
  /** What it switches. */
  description: string;
  /** Its name. */
  name: string;
  /** Whether it is on for the team. */
  on: boolean;
}

// ------------------------------------------------------------------------------------------------------------------
// Enqueueing inside your own transaction

/** A value as it goes to the database: text, which a cast in the statement gives its type. */
type Value = string | null;
type Row = Record<string, unknown>;

/** Runs one statement in the caller's transaction; made by `fromPg`, `fromDrizzle` or `fromPrisma`. */
export interface Transaction {
  /** `text` has `$1`, `$2`, … where `values` belong. */
  query(text: string, values: readonly Value[]): Promise<Row[]>;
}

function rowsOf(result: unknown): Row[] {
  if (Array.isArray(result)) return result as Row[];
  const rows = (result as { rows?: unknown } | null)?.rows;
  if (Array.isArray(rows)) return rows as Row[];
  throw new TypeError("the database driver answered neither an array of rows nor an object with `rows`");
}

/**
 * node-postgres. Pass the client on which you said `begin`: a job that is enqueued through a pool is a transaction of its
 * own, which your rollback does not reach.
 */
export function fromPg(client: { query(text: string, values: any[]): PromiseLike<{ rows: any[] }> }): Transaction {
  return { query: async (text, values) => rowsOf(await client.query(text, [...values])) };
}

/** Drizzle on Postgres, with whichever driver: `db.transaction(async (tx) => enqueue(fromDrizzle(tx, sql), …))`. */
export function fromDrizzle<Statement>(
  tx: { execute(statement: Statement): PromiseLike<unknown> },
  sql: (strings: TemplateStringsArray, ...values: any[]) => Statement,
): Transaction {
  return {
    query: async (text, values) => {
      // The template literal that a person would have written here.
      const parts = text.split(/\$\d+/);
      const order = [...text.matchAll(/\$(\d+)/g)].map((match) => values[Number(match[1]) - 1]);
      return rowsOf(await tx.execute(sql(Object.assign(parts, { raw: parts }), ...order)));
    },
  };
}

/** Prisma on Postgres: `prisma.$transaction(async (tx) => enqueue(fromPrisma(tx), …))`. */
export function fromPrisma(tx: { $queryRawUnsafe(text: string, ...values: any[]): PromiseLike<unknown> }): Transaction {
  return { query: async (text, values) => rowsOf(await tx.$queryRawUnsafe(text, ...values)) };
}

/** A job that follows another, when that is done. */
export type Following = {
  [K in Kind]: {
    kind: K;
    payload: Payloads[K];
    /** At most `limitTo` jobs of the team with this key run at once. */
    limitKey?: string;
    limitTo?: number;
  };
}[Kind];

/** What holds for one job as for many. */
export interface CommonOptions {
  /** The team that the job belongs to: from what you know of the caller, never from a request's body. */
  team: string;
  /** `period` (30 days, or `keyLifetime`; the default), `unfinished` (until the job ends), `forever`. */
  keyScope?: KeyScope;
  /** What the same key means while it stands: `first` (the default), `replace`, `debounce`. */
  onConflict?: OnConflict;
  /** How long a key is remembered, as Postgres writes a span: `"1 day"`. */
  keyLifetime?: string;
  /** Ties the job, and all that it causes, to your request in the logs. */
  correlationId?: string;
  /** The job that causes this one. */
  parent?: string;
  /** The open batch that it belongs to. */
  batch?: string;
}

/** How a job is to run. */
export interface JobOptions {
  /** The same key, for the same team and kind, gives one job. */
  uniqueKey?: string;
  /** Not before this moment; at most a year ahead. */
  runAt?: Date | string;
  /** 0 runs first, 9 last; the kind's own when left out. */
  priority?: number;
  /** At most `limitTo` (1 when left out) jobs of the team with this key run at once. */
  limitKey?: string;
  limitTo?: number;
}

export interface EnqueueOptions extends CommonOptions, JobOptions {
  /** Jobs to follow, one after the other, each when the one before is done. */
  chain?: Following[];
}

/** An accepted job. It exists when your transaction commits. */
export interface Enqueued {
  /** `job_42`, as the HTTP API and the command line call it. */
  jobId: string;
  /** The key had named this job before. */
  deduplicated: boolean;
}

/** A job that was not accepted. Your transaction is over, as after any error of Postgres: roll it back. */
export class EnqueueError extends Error {
  override readonly name = "EnqueueError";
  constructor(
    message: string,
    /** The SQLSTATE, `LS001` to `LS017`: docs/SQL.md, "Errors". */
    readonly code: string,
    /** The field that is wrong: `payload.lead_id`. */
    readonly field: string | undefined,
    /** What to do. */
    readonly hint: string | undefined,
    options?: { cause?: unknown },
  ) {
    super(message);
    if (options && "cause" in options) Object.defineProperty(this, "cause", { value: options.cause, enumerable: false });
  }
}

// Drizzle and Prisma wrap what the driver said; it is somewhere below.
function refusal(error: unknown): EnqueueError | undefined {
  const seen = new Set<unknown>();
  const look = (value: unknown): EnqueueError | undefined => {
    if (typeof value !== "object" || value === null || seen.has(value) || seen.size > 20) return undefined;
    seen.add(value);
    const said = value as Record<string, unknown>;
    const text = (...names: string[]) => names.map((name) => said[name]).find((one): one is string => typeof one === "string");
    const code = [said.code, said.originalCode].find((one) => typeof one === "string" && /^LS\d{3}$/.test(one)) as string | undefined;
    if (code) {
      return new EnqueueError(text("message", "originalMessage") ?? code, code, text("detail"), text("hint"), { cause: error });
    }
    return [said.cause, said.meta, said.driverAdapterError].map(look).find((one) => one !== undefined);
  };
  return look(error);
}

async function ask(tx: Transaction, text: string, values: readonly Value[]): Promise<Row[]> {
  try {
    return await tx.query(text, values);
  } catch (error) {
    throw refusal(error) ?? error;
  }
}

function moment(at: Date | string | undefined): Value {
  return at instanceof Date ? at.toISOString() : (at ?? null);
}

function bareId(id: string, what: string): string {
  const digits = new RegExp(`^(?:${what}_)?([0-9]{1,19})$`).exec(id)?.[1];
  if (digits === undefined) throw new TypeError(`${JSON.stringify(id)} is not the id of a ${what}`);
  return digits;
}

// Only what was said is passed, so that what was not has the default of the database.
class Call {
  readonly values: Value[] = [];
  readonly #said: string[] = [];
  say(name: string, type: string, value: Value | undefined): this {
    return value === undefined || value === null ? this : this.sayAs(name, `${this.place(value)}::${type}`);
  }
  sayAs(name: string, expression: string): this {
    this.#said.push(`${name} => ${expression}`);
    return this;
  }
  place(value: Value): string {
    return `$${this.values.push(value)}::text`;
  }
  common(options: CommonOptions): this {
    return this.say("key_scope", "text", options.keyScope)
      .say("on_conflict", "text", options.onConflict)
      .say("key_lifetime", "interval", options.keyLifetime)
      .say("correlation_id", "text", options.correlationId)
      .say("parent_id", "bigint", options.parent === undefined ? null : bareId(options.parent, "job"))
      .say("batch_id", "bigint", options.batch === undefined ? null : bareId(options.batch, "batch"));
  }
  toString(): string {
    return this.#said.join(", ");
  }
}

/**
 * Enqueues a job in your transaction: it exists when that commits, and leaves nothing when it rolls back.
 *
 * ```ts
 * await db.transaction(async (tx) => {
 *   const [lead] = await tx.insert(leads).values(row).returning();
 *   await enqueue(fromDrizzle(tx, sql), "enrich_person", { lead_id: lead.id }, { team, uniqueKey: `lead-${lead.id}` });
 * });
 * ```
 */
export async function enqueue<K extends Kind>(tx: Transaction, kind: K, payload: Payloads[K], options: EnqueueOptions): Promise<Enqueued> {
  const call = new Call()
    .say("team_id", "uuid", options.team)
    .say("kind", "text", kind)
    .say("payload", "jsonb", JSON.stringify(payload))
    .say("idempotency_key", "text", options.uniqueKey)
    .say("run_at", "timestamptz", moment(options.runAt))
    .say("priority", "smallint", options.priority?.toString())
    .common(options)
    .say("limit_key", "text", options.limitKey)
    .say("limit_to", "integer", options.limitTo?.toString());
  if (options.chain) {
    const chain = options.chain.map((link) => ({ kind: link.kind, payload: link.payload, limit_key: link.limitKey, limit_to: link.limitTo }));
    call.say("chain", "jsonb", JSON.stringify(chain));
  }
  const [row] = await ask(tx, `select job_id::text as job_id, deduplicated from queue.enqueue(${call})`, call.values);
  if (!row) throw new TypeError("queue.enqueue answered no row");
  return { jobId: `job_${row.job_id}`, deduplicated: row.deduplicated === true };
}

/** One of many jobs. */
export interface ManyItem<K extends Kind> extends JobOptions {
  payload: Payloads[K];
}

/** What became of one of many: a job, or why not. A refused one does not harm its neighbours. */
export type ManyResult = (Enqueued & { error?: undefined }) | { jobId?: undefined; deduplicated?: undefined; error: EnqueueError };

/** Enqueues many jobs of one kind with one statement, by far the cheapest way in: up to a few thousand at a time. */
export async function enqueueMany<K extends Kind>(
  tx: Transaction,
  kind: K,
  items: readonly ManyItem<K>[],
  options: CommonOptions,
): Promise<ManyResult[]> {
  if (items.length === 0) return [];
  const call = new Call().say("team_id", "uuid", options.team).say("kind", "text", kind);
  const array = (name: string, type: string, values: readonly unknown[], element = "value #>> '{}'") => {
    if (values.every((value) => value === null || value === undefined)) return;
    const all = call.place(JSON.stringify(values.map((value) => value ?? null)));
    const each = `select (${element})::${type} from jsonb_array_elements(${all}::jsonb) with ordinality as given(value, at) order by at`;
    call.sayAs(name, `array(${each})`);
  };
  array("payloads", "jsonb", items.map((item) => item.payload), "value");
  array("idempotency_keys", "text", items.map((item) => item.uniqueKey));
  array("run_ats", "timestamptz", items.map((item) => moment(item.runAt)));
  array("priorities", "smallint", items.map((item) => item.priority));
  array("limit_keys", "text", items.map((item) => item.limitKey));
  array("limit_tos", "integer", items.map((item) => item.limitTo));
  call.common(options);
  const text = `select job_id::text as job_id, deduplicated, problem from queue.enqueue_many(${call}) order by ordinal`;
  return (await ask(tx, text, call.values)).map((row) => {
    if (typeof row.problem !== "string") return { jobId: `job_${row.job_id}`, deduplicated: row.deduplicated === true };
    const [code = "", field, message = "", hint] = row.problem.split("|");
    return { error: new EnqueueError(message, code, field || undefined, hint || undefined) };
  });
}

// ------------------------------------------------------------------------------------------------------------------
// HTTP

/** A refusal of the API (RFC 9457). */
export class LongshoreError extends Error {
  override readonly name = "LongshoreError";
  constructor(
    /** The HTTP status. */
    readonly status: number,
    /** Why, for programs: `missing_scope`, `invalid_payload`, … */
    readonly code: string,
    detail: string,
    /** Quote it when you ask us. */
    readonly errorId: string | undefined,
    /** The fields that were wrong. */
    readonly errors: readonly FieldError[],
    /** When to try again, in milliseconds from now, where the API said so. */
    readonly retryAfterMs: number | undefined,
  ) {
    super(detail);
  }
}

export interface ClientOptions {
  /** Where the API answers: `https://jobs.example.com`. */
  url: string;
  /** An API key of your team: `lsk_live_…`. Never in a browser. */
  key: string;
  /** How often a request is tried in all; 5 when left out. */
  attempts?: number;
  /** How long one attempt may take; 40 seconds when left out, since a request may wait for a job. */
  timeoutMs?: number;
  /** The longest time that is waited when the API says `Retry-After`; 60 seconds when left out. Beyond it the refusal is thrown. */
  patienceMs?: number;
  /** In place of the global `fetch`. */
  fetch?: typeof globalThis.fetch;
  /** How to wait between attempts, for tests. */
  sleep?: (ms: number) => Promise<void>;
}

export interface CallOptions {
  signal?: AbortSignal;
  /** Sent as `If-None-Match`, `If-Match`, …: whatever the operation's page in `/docs` names and this client does not. */
  headers?: Record<string, string>;
}

interface Operation {
  method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  path: string;
  query?: Record<string, unknown>;
  headers?: Record<string, unknown>;
  body?: unknown;
  /** It takes an idempotency key, so that it may be sent again whatever happened to it. */
  keyed?: boolean;
}

/** What the methods of `Longshore` stand on: retries, deadlines, refusals. */
class Requests {
  readonly #options: Required<ClientOptions>;

  constructor(options: ClientOptions) {
    const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
    this.#options = {
      attempts: 5,
      timeoutMs: 40_000,
      patienceMs: 60_000,
      fetch: (input, init) => globalThis.fetch(input, init),
      sleep,
      ...options,
      url: options.url.replace(/\/+$/, ""),
    };
  }

  // A request is sent again when that can't do its work twice: it reads, it is idempotent by its method, it carries a key, or
  // the API said that it did not begin (429).
  protected async call(operation: Operation, options: CallOptions = {}): Promise<any> {
    const { attempts, patienceMs, sleep } = this.#options;
    const headers = headersOf(operation, options);
    const keyed = hasKeys(operation.body);
    if (operation.keyed && !keyed && !headers.has("idempotency-key")) headers.set("idempotency-key", globalThis.crypto.randomUUID());
    const repeatable = operation.method !== "POST" || keyed || headers.has("idempotency-key");
    for (let attempt = 1; ; attempt++) {
      options.signal?.throwIfAborted();
      let wait: number;
      try {
        return await this.#once(operation, headers, options.signal);
      } catch (error) {
        if (options.signal?.aborted || attempt >= attempts) throw error;
        if (error instanceof LongshoreError) {
          const begun = error.status !== 429;
          const passing = [408, 429, 502, 503, 504].includes(error.status) || (error.status === 500 && repeatable);
          if (!passing || (begun && !repeatable)) throw error;
          if ((error.retryAfterMs ?? 0) > patienceMs) throw error;
          wait = error.retryAfterMs ?? backoff(attempt);
        } else {
          if (!repeatable) throw error;
          wait = backoff(attempt);
        }
      }
      await sleep(wait);
    }
  }

  async #once(operation: Operation, headers: Headers, signal: AbortSignal | undefined): Promise<unknown> {
    const deadline = AbortSignal.timeout(this.#options.timeoutMs);
    const response = await this.send(operation, headers, signal ? AbortSignal.any([signal, deadline]) : deadline);
    if (response.status === 204) return undefined;
    return await response.json();
  }

  protected async send(operation: Operation, given: Headers, signal: AbortSignal | undefined): Promise<Response> {
    const url = new URL(this.#options.url + operation.path);
    for (const [name, value] of Object.entries(operation.query ?? {})) {
      if (value !== undefined && value !== null) url.searchParams.set(name, value instanceof Date ? value.toISOString() : String(value));
    }
    const headers = new Headers(given);
    headers.set("authorization", `Bearer ${this.#options.key}`);
    if (!headers.has("accept")) headers.set("accept", "application/json, application/problem+json");
    const init: RequestInit = { method: operation.method, headers, redirect: "error" };
    if (signal) init.signal = signal;
    if (operation.body !== undefined) {
      headers.set("content-type", "application/json");
      init.body = JSON.stringify(operation.body);
    }
    const response = await this.#options.fetch(url, init);
    if (!response.ok) throw await refused(response);
    return response;
  }

  /**
   * Enqueues one job over HTTP. Without an `idempotency_key` it gets one of its own, so that a request whose answer was lost
   * is sent again and still leaves one job.
   */
  async enqueue<K extends Kind>(
    kind: K,
    payload: Payloads[K],
    options: Omit<JobRequest, "kind" | "payload"> = {},
    call?: CallOptions,
  ): Promise<JobAccepted> {
    const body = { kind, payload, ...options };
    const accepted = (await this.call({ method: "POST", path: "/v1/jobs", body, keyed: true }, call)) as JobAccepted;
    // A key that nobody else has can only have been used by an attempt of this very call.
    return options.idempotency_key ? accepted : { ...accepted, deduplicated: false };
  }

  /**
   * Waits until a job has ended, done, dead or cancelled, and gives it as it is then; after `withinMs` (a minute when left out) as
   * it is, ended or not. The API is asked to wait with us: no polling.
   */
  async waitFor(id: string, options: CallOptions & { withinMs?: number } = {}): Promise<JobBody> {
    const until = Date.now() + (options.withinMs ?? 60_000);
    const path = `/v1/jobs/${encodeURIComponent(id)}`;
    for (;;) {
      const seconds = Math.min(20, Math.ceil((until - Date.now()) / 1_000));
      const query = seconds > 0 ? { wait: `${seconds}s` } : {};
      const job = (await this.call({ method: "GET", path, query }, options)) as JobBody;
      if (["done", "dead", "cancelled"].includes(job.state) || Date.now() >= until) return job;
    }
  }

  // Server-sent events, taken up again behind the last one when the connection is lost.
  protected async *stream(operation: Operation, options: CallOptions = {}): AsyncGenerator<ServerEvent, void, undefined> {
    const headers = headersOf(operation, options);
    headers.set("accept", "text/event-stream, application/problem+json");
    let pause = 1_000;
    for (let silent = 0; ; ) {
      options.signal?.throwIfAborted();
      try {
        const response = await this.send(operation, headers, options.signal);
        // The end had been heard: nothing follows.
        if (response.status === 204) return;
        for await (const event of events(response)) {
          silent = 0;
          if (event.retry !== undefined) pause = event.retry;
          if (event.id !== undefined) headers.set("last-event-id", event.id);
          if (event.data !== undefined) yield { event: event.event ?? "message", id: event.id, data: event.data === "" ? undefined : JSON.parse(event.data) };
          if (event.event === "end") return;
        }
      } catch (error) {
        if (options.signal?.aborted) throw error;
        if (error instanceof LongshoreError && ![429, 502, 503, 504].includes(error.status)) throw error;
        if (++silent >= this.#options.attempts) throw error;
        if (error instanceof LongshoreError && error.retryAfterMs !== undefined) pause = error.retryAfterMs;
      }
      await this.#options.sleep(pause);
    }
  }
}

function headersOf(operation: Operation, options: CallOptions): Headers {
  const headers = new Headers(options.headers);
  for (const [name, value] of Object.entries(operation.headers ?? {})) {
    if (value !== undefined && value !== null) headers.set(name, String(value));
  }
  return headers;
}

// Whether every job in a body bears a key of its own.
function hasKeys(body: unknown): boolean {
  const { idempotency_key: own, jobs } = (body ?? {}) as { idempotency_key?: unknown; jobs?: unknown };
  if (typeof own === "string") return true;
  return Array.isArray(jobs) && jobs.length > 0 && jobs.every((job) => typeof job?.idempotency_key === "string");
}

/** One server-sent event. */
export interface ServerEvent {
  event: string;
  id: string | undefined;
  data: unknown;
}

// Half of the doubled time for sure and half by chance, so that many callers don't come back at one moment.
function backoff(attempt: number): number {
  const most = Math.min(8_000, 250 * 2 ** (attempt - 1));
  return most / 2 + Math.random() * (most / 2);
}

function retryAfter(response: Response): number | undefined {
  const said = response.headers.get("retry-after");
  if (said === null) return undefined;
  const seconds = Number(said);
  const ms = Number.isFinite(seconds) ? seconds * 1_000 : Date.parse(said) - Date.now();
  return Number.isNaN(ms) ? undefined : Math.max(0, ms);
}

async function refused(response: Response): Promise<LongshoreError> {
  const text = await response.text().catch(() => "");
  let problem: Partial<Problem> = {};
  try {
    problem = JSON.parse(text) as Partial<Problem>;
  } catch {
    // Whatever stands between us and the API has answered in its own words.
  }
  const detail = problem.detail ?? problem.title ?? `The API answered ${response.status}.`;
  return new LongshoreError(response.status, problem.code ?? "unknown", detail, problem.error_id, problem.errors ?? [], retryAfter(response));
}

interface RawEvent {
  event?: string;
  id?: string;
  data?: string;
  retry?: number;
}

async function* events(response: Response): AsyncGenerator<RawEvent, void, undefined> {
  if (!response.body) return;
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      rest += decoder.decode(value, { stream: true });
      const blocks = rest.split(/\r?\n\r?\n/);
      rest = blocks.pop() ?? "";
      for (const block of blocks) {
        const event: RawEvent = {};
        for (const line of block.split(/\r?\n/)) {
          const [, field = "", value = ""] = /^([^:]*)(?:: ?(.*))?$/.exec(line) ?? [];
          if (field === "data") event.data = event.data === undefined ? value : `${event.data}\n${value}`;
          if (field === "event") event.event = value;
          if (field === "id") event.id = value;
          if (field === "retry" && /^\d+$/.test(value)) event.retry = Number(value);
        }
        if (Object.keys(event).length > 0) yield event;
      }
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

/** What `listAudit` takes. */
export interface ListAuditInput {
  /** Only this action (`key.revoke`), or all of a noun (`key`). */
  action?: string;
  /** Only by this one: `key 0a1b2c3d4e5f`, `operator ada`. */
  actor?: string;
  /** Only from then on. */
  since?: string | Date;
  /** Only before then. */
  until?: string | Date;
  /** Go on behind this entry: the `next` of the page before. */
  after?: number;
  /** How many at most: 1 to 1,000. */
  limit?: number;
}

/** What `getBatch` takes. */
export interface GetBatchInput {
  /** The batch */
  id: string;
}

/** What `followBatch` takes. */
export interface FollowBatchInput {
  /** The batch */
  id: string;
  /** The id of the last event that was heard */
  lastEventID?: string | null;
}

/** What `listDead` takes. */
export interface ListDeadInput {
  /** Only of this kind. */
  kind?: string;
  /** Only with this text in the last error, in any case. */
  error?: string;
  /** Only those that died then or later. */
  since?: string | Date;
  /** Only those that died then or earlier. */
  until?: string | Date;
  /** Also those that were replayed or discarded. */
  all?: boolean;
  /** Go on behind this one: the `next` of the page before. */
  after?: string;
  /** How many at most: 1 to 1,000. */
  limit?: number;
}

/** What `makeDeadPlan` takes. */
export interface MakeDeadPlanInput {
  body: PlanRequest;
}

/** What `getDeadPlan` takes. */
export interface GetDeadPlanInput {
  /** The plan */
  id: string;
}

/** What `runDeadPlan` takes. */
export interface RunDeadPlanInput {
  /** The plan */
  id: string;
}

/** What `getDead` takes. */
export interface GetDeadInput {
  /** The job */
  id: string;
}

/** What `discardDead` takes. */
export interface DiscardDeadInput {
  /** The job */
  id: string;
}

/** What `replayDead` takes. */
export interface ReplayDeadInput {
  /** The job */
  id: string;
  body?: ReplayRequest | null;
}

/** What `listJobs` takes. */
export interface ListJobsInput {
  /** Only in this state. */
  state?: "waiting" | "running" | "done" | "dead" | "cancelled";
  /** Only of this kind. */
  kind?: string;
  /** Only of this queue. */
  queue?: string;
  /** Go on behind this one: the `next` of the page before. */
  after?: string;
  /** How many at most: 1 to 1,000. */
  limit?: number;
}

/** What `enqueueJob` takes. */
export interface EnqueueJobInput {
  /** As the field `idempotency_key`; quoted or bare. */
  idempotencyKey?: string | null;
  body: JobRequest;
}

/** What `enqueueJobs` takes. */
export interface EnqueueJobsInput {
  body: BatchRequest;
}

/** What `getJob` takes. */
export interface GetJobInput {
  /** The job */
  id: string;
  /**
   * Answer only when its state, reason or attempt has changed, or after so long: `20s`, `1500ms`, at most `30s`. A job that
   * has ended is answered for at once, and so is one that looks other than the `If-None-Match` says.
   */
  wait?: string;
}

/** What `cancelJob` takes. */
export interface CancelJobInput {
  /** The job */
  id: string;
}

/** What `followJob` takes. */
export interface FollowJobInput {
  /** The job */
  id: string;
  /** The id of the last event that was heard */
  lastEventID?: string | null;
}

/** What `listKeys` takes. */
export interface ListKeysInput {
  /** Go on behind this one: the `next` of the page before. */
  after?: string;
  /** How many at most: 1 to 1,000. */
  limit?: number;
}

/** What `createKey` takes. */
export interface CreateKeyInput {
  body: KeyRequest;
}

/** What `revokeKey` takes. */
export interface RevokeKeyInput {
  /** Its public id */
  id: string;
}

/** What `rotateKey` takes. */
export interface RotateKeyInput {
  /** Its public id */
  id: string;
  body?: RotateRequest | null;
}

/** What `erasePerson` takes. */
export interface ErasePersonInput {
  body: PersonRequest;
}

/** What `exportPerson` takes. */
export interface ExportPersonInput {
  body: PersonRequest;
}

/** What `listQueues` takes. */
export interface ListQueuesInput {
  /** Go on behind this one: the `next` of the page before. */
  after?: string;
  /** How many at most: 1 to 1,000. */
  limit?: number;
}

/** What `listSchedules` takes. */
export interface ListSchedulesInput {
  /** Go on behind this one: the `next` of the page before. */
  after?: string;
  /** How many at most: 1 to 1,000. */
  limit?: number;
}

/** What `deleteSchedule` takes. */
export interface DeleteScheduleInput {
  /** Its name */
  name: string;
}

/** What `getSchedule` takes. */
export interface GetScheduleInput {
  /** Its name */
  name: string;
}

/** What `putSchedule` takes. */
export interface PutScheduleInput {
  /** Its name: small letters, digits, and _ . - (100 at most) */
  name: string;
  body: ScheduleRequest;
}

/** What `pauseSchedule` takes. */
export interface PauseScheduleInput {
  /** Its name */
  name: string;
  body?: PauseRequest | null;
}

/** What `resumeSchedule` takes. */
export interface ResumeScheduleInput {
  /** Its name */
  name: string;
}

/** What `runSchedule` takes. */
export interface RunScheduleInput {
  /** Its name */
  name: string;
  /** Names this wish; at most 140 bytes, quoted or bare. */
  idempotencyKey?: string | null;
}

/** What `deleteSetting` takes. */
export interface DeleteSettingInput {
  /** Its name */
  name: string;
  /** The ETag that was read, or * */
  ifMatch: string;
}

/** What `getSetting` takes. */
export interface GetSettingInput {
  /** Its name */
  name: string;
}

/** What `putSetting` takes. */
export interface PutSettingInput {
  /** Its name */
  name: string;
  /** The ETag that was read, or * */
  ifMatch: string;
  body: SettingRequest;
}

/** What `createWebhookEndpoint` takes. */
export interface CreateWebhookEndpointInput {
  body: EndpointRequest;
}

/** What `deleteWebhookEndpoint` takes. */
export interface DeleteWebhookEndpointInput {
  /** The endpoint */
  id: string;
}

/** What `getWebhookEndpoint` takes. */
export interface GetWebhookEndpointInput {
  /** The endpoint */
  id: string;
}

/** What `updateWebhookEndpoint` takes. */
export interface UpdateWebhookEndpointInput {
  /** The endpoint */
  id: string;
  body: EndpointChange;
}

/** What `listWebhookDeliveries` takes. */
export interface ListWebhookDeliveriesInput {
  /** The endpoint */
  id: string;
  /** Only those in this state. */
  state?: "waiting" | "delivered" | "failed" | "skipped" | "cancelled";
  /** Go on behind this one: the `next` of the page before. */
  after?: string;
  /** How many at most: 1 to 1,000. */
  limit?: number;
}

/** What `getWebhookDelivery` takes. */
export interface GetWebhookDeliveryInput {
  /** The endpoint */
  id: string;
  /** The delivery */
  delivery: string;
}

/** What `replayWebhookDelivery` takes. */
export interface ReplayWebhookDeliveryInput {
  /** The endpoint */
  id: string;
  /** The delivery */
  delivery: string;
}

/** What `rotateWebhookSecret` takes. */
export interface RotateWebhookSecretInput {
  /** The endpoint */
  id: string;
  body?: RotateRequest | null;
}

/** What `testWebhookEndpoint` takes. */
export interface TestWebhookEndpointInput {
  /** The endpoint */
  id: string;
}

/** The HTTP API. Each method is an operation of `/docs`; each throws a `LongshoreError` when it is refused. */
export class Longshore extends Requests {
  /**
   * List audit entries.
   *
   * What somebody with power did for the team or to it, the newest first. Entries are never changed or taken back.
   *
   * `GET /v1/audit`
   */
  listAudit(input: ListAuditInput = {}, options?: CallOptions): Promise<AuditPage> {
    return this.call({ method: "GET", path: `/v1/audit`, query: { action: input.action, actor: input.actor, since: input.since, until: input.until, after: input.after, limit: input.limit } }, options);
  }

  /**
   * Look at a batch.
   *
   * Batches are opened and sealed by producers, in SQL or in Rust.
   *
   * `GET /v1/batches/{id}`
   */
  getBatch(input: GetBatchInput, options?: CallOptions): Promise<Batch> {
    return this.call({ method: "GET", path: `/v1/batches/${encodeURIComponent(input.id)}` }, options);
  }

  /**
   * Follow a batch.
   *
   * As a job: `event: state` carries the batch as `getBatch` shows it, `event: end` follows when all of its jobs have ended.
   *
   * `GET /v1/batches/{id}/events`
   */
  followBatch(input: FollowBatchInput, options?: CallOptions): AsyncGenerator<ServerEvent, void, undefined> {
    return this.stream({ method: "GET", path: `/v1/batches/${encodeURIComponent(input.id)}/events`, headers: { "Last-Event-ID": input.lastEventID } }, options);
  }

  /**
   * List dead letters.
   *
   * The newest first. Nothing is counted: there is no total.
   *
   * `GET /v1/dead`
   */
  listDead(input: ListDeadInput = {}, options?: CallOptions): Promise<DeadPage> {
    return this.call({ method: "GET", path: `/v1/dead`, query: { kind: input.kind, error: input.error, since: input.since, until: input.until, all: input.all, after: input.after, limit: input.limit } }, options);
  }

  /**
   * Plan a replay.
   *
   * Nothing runs yet: the answer says what the plan holds, what would be refused and why, and what it may cost.
   *
   * `POST /v1/dead/plans`
   */
  makeDeadPlan(input: MakeDeadPlanInput, options?: CallOptions): Promise<PlanBody> {
    return this.call({ method: "POST", path: `/v1/dead/plans`, body: input.body }, options);
  }

  /**
   * Look at a plan.
   *
   * What it holds, what became of its letters, and of the jobs that repeat them.
   *
   * `GET /v1/dead/plans/{id}`
   */
  getDeadPlan(input: GetDeadPlanInput, options?: CallOptions): Promise<PlanBody> {
    return this.call({ method: "GET", path: `/v1/dead/plans/${encodeURIComponent(input.id)}` }, options);
  }

  /**
   * Run a plan.
   *
   * Workers replay its letters at its rate, each once. Asked again it goes on where it was, or answers with the job that is
   * at it.
   *
   * `POST /v1/dead/plans/{id}/run`
   */
  runDeadPlan(input: RunDeadPlanInput, options?: CallOptions): Promise<PlanStarted> {
    return this.call({ method: "POST", path: `/v1/dead/plans/${encodeURIComponent(input.id)}/run` }, options);
  }

  /**
   * Look at a dead letter.
   *
   * `GET /v1/dead/{id}`
   */
  getDead(input: GetDeadInput, options?: CallOptions): Promise<DeadBody> {
    return this.call({ method: "GET", path: `/v1/dead/${encodeURIComponent(input.id)}` }, options);
  }

  /**
   * Give a dead letter up.
   *
   * It stays on record, and is not replayed any more.
   *
   * `POST /v1/dead/{id}/discard`
   */
  discardDead(input: DiscardDeadInput, options?: CallOptions): Promise<DeadBody> {
    return this.call({ method: "POST", path: `/v1/dead/${encodeURIComponent(input.id)}/discard` }, options);
  }

  /**
   * Replay a dead letter.
   *
   * Once: a new job with the whole envelope, under the same rules (send key, consent and credit are looked at again).
   *
   * `POST /v1/dead/{id}/replay`
   */
  replayDead(input: ReplayDeadInput, options?: CallOptions): Promise<Replayed> {
    return this.call({ method: "POST", path: `/v1/dead/${encodeURIComponent(input.id)}/replay`, body: input.body }, options);
  }

  /**
   * List flags.
   *
   * Every flag as the key's team has it.
   *
   * `GET /v1/flags`
   */
  listFlags(options?: CallOptions): Promise<FlagList> {
    return this.call({ method: "GET", path: `/v1/flags` }, options);
  }

  /**
   * List jobs.
   *
   * The newest first. Nothing is counted: there is no total.
   *
   * `GET /v1/jobs`
   */
  listJobs(input: ListJobsInput = {}, options?: CallOptions): Promise<JobPage> {
    return this.call({ method: "GET", path: `/v1/jobs`, query: { state: input.state, kind: input.kind, queue: input.queue, after: input.after, limit: input.limit } }, options);
  }

  /**
   * Enqueue one job.
   *
   * 202 says that it is written down and survives any crash of ours. A duplicate by key answers 200 with the first job.
   *
   * `POST /v1/jobs`
   */
  enqueueJob(input: EnqueueJobInput, options?: CallOptions): Promise<JobAccepted> {
    return this.call({ method: "POST", path: `/v1/jobs`, headers: { "Idempotency-Key": input.idempotencyKey }, body: input.body, keyed: true }, options);
  }

  /**
   * Enqueue up to 1,000 jobs.
   *
   * Each item is answered for itself: a duplicate or a bad item never fails its neighbours. All that are accepted are
   * written down together.
   *
   * `POST /v1/jobs/batch`
   */
  enqueueJobs(input: EnqueueJobsInput, options?: CallOptions): Promise<BatchBody> {
    return this.call({ method: "POST", path: `/v1/jobs/batch`, body: input.body }, options);
  }

  /**
   * Look at a job.
   *
   * With `wait` the answer comes when the job changes: asked again and again, that follows a job without polling. 410 where
   * history was dropped: then `gone` in the problem says how many jobs of the team around it ended how, by day and kind.
   *
   * `GET /v1/jobs/{id}`
   */
  getJob(input: GetJobInput, options?: CallOptions): Promise<JobBody> {
    return this.call({ method: "GET", path: `/v1/jobs/${encodeURIComponent(input.id)}`, query: { wait: input.wait } }, options);
  }

  /**
   * Cancel a job.
   *
   * A waiting job will not run. A running one is told within seconds, and ends as cancelled unless it is done first.
   *
   * `POST /v1/jobs/{id}/cancel`
   */
  cancelJob(input: CancelJobInput, options?: CallOptions): Promise<JobCancelled> {
    return this.call({ method: "POST", path: `/v1/jobs/${encodeURIComponent(input.id)}/cancel` }, options);
  }

  /**
   * Follow a job.
   *
   * `event: state` carries the job as `getJob` shows it, at once and with each change; `event: end` follows the last. Comments
   * keep the connection. A caller that comes back sends the last event's id, as browsers do by themselves, and gets 204 when
   * the job had ended with it.
   *
   * `GET /v1/jobs/{id}/events`
   */
  followJob(input: FollowJobInput, options?: CallOptions): AsyncGenerator<ServerEvent, void, undefined> {
    return this.stream({ method: "GET", path: `/v1/jobs/${encodeURIComponent(input.id)}/events`, headers: { "Last-Event-ID": input.lastEventID } }, options);
  }

  /**
   * List keys.
   *
   * Ended ones too. Needs the scope `admin`, as do all operations on keys.
   *
   * `GET /v1/keys`
   */
  listKeys(input: ListKeysInput = {}, options?: CallOptions): Promise<KeyPage> {
    return this.call({ method: "GET", path: `/v1/keys`, query: { after: input.after, limit: input.limit } }, options);
  }

  /**
   * Create a key.
   *
   * The answer holds the key, once: whoever loses it makes another.
   *
   * `POST /v1/keys`
   */
  createKey(input: CreateKeyInput, options?: CallOptions): Promise<NewKeyBody> {
    return this.call({ method: "POST", path: `/v1/keys`, body: input.body }, options);
  }

  /**
   * End a key.
   *
   * Every process refuses it within five seconds. A key may end itself.
   *
   * `DELETE /v1/keys/{id}`
   */
  revokeKey(input: RevokeKeyInput, options?: CallOptions): Promise<void> {
    return this.call({ method: "DELETE", path: `/v1/keys/${encodeURIComponent(input.id)}` }, options);
  }

  /**
   * Replace a key.
   *
   * The new key has the same name, scopes, rate and life; the old one lives on for the grace, so that nothing stops while the new one
   * is put in its place. Only one replacement at a time: two keys that replace each other live at most.
   *
   * `POST /v1/keys/{id}/rotate`
   */
  rotateKey(input: RotateKeyInput, options?: CallOptions): Promise<NewKeyBody> {
    return this.call({ method: "POST", path: `/v1/keys/${encodeURIComponent(input.id)}/rotate`, body: input.body }, options);
  }

  /**
   * Erase a person.
   *
   * Everything that the team knows of them, in every table and every uploaded file; what must be kept is kept without them, and
   * their number is never texted again. The job's output is the receipt.
   *
   * `POST /v1/people/erasures`
   */
  erasePerson(input: ErasePersonInput, options?: CallOptions): Promise<PersonAsked> {
    return this.call({ method: "POST", path: `/v1/people/erasures`, body: input.body }, options);
  }

  /**
   * Export a person.
   *
   * Everything that the team knows of them, as JSON lines in the object store. The job's output says where.
   *
   * `POST /v1/people/exports`
   */
  exportPerson(input: ExportPersonInput, options?: CallOptions): Promise<PersonAsked> {
    return this.call({ method: "POST", path: `/v1/people/exports`, body: input.body }, options);
  }

  /**
   * List queues.
   *
   * How many jobs of the team each holds, as counted last: asking costs next to nothing.
   *
   * `GET /v1/queues`
   */
  listQueues(input: ListQueuesInput = {}, options?: CallOptions): Promise<QueuePage> {
    return this.call({ method: "GET", path: `/v1/queues`, query: { after: input.after, limit: input.limit } }, options);
  }

  /**
   * Show quotas.
   *
   * What the team may have in each queue, and what it has, as measured a few seconds ago; and what its keys may ask for.
   *
   * `GET /v1/quotas`
   */
  getQuotas(options?: CallOptions): Promise<Quotas> {
    return this.call({ method: "GET", path: `/v1/quotas` }, options);
  }

  /**
   * List schedules.
   *
   * `GET /v1/schedules`
   */
  listSchedules(input: ListSchedulesInput = {}, options?: CallOptions): Promise<SchedulePage> {
    return this.call({ method: "GET", path: `/v1/schedules`, query: { after: input.after, limit: input.limit } }, options);
  }

  /**
   * Take a schedule away.
   *
   * Jobs that it has enqueued stay.
   *
   * `DELETE /v1/schedules/{name}`
   */
  deleteSchedule(input: DeleteScheduleInput, options?: CallOptions): Promise<void> {
    return this.call({ method: "DELETE", path: `/v1/schedules/${encodeURIComponent(input.name)}` }, options);
  }

  /**
   * Look at a schedule.
   *
   * `GET /v1/schedules/{name}`
   */
  getSchedule(input: GetScheduleInput, options?: CallOptions): Promise<ScheduleBody> {
    return this.call({ method: "GET", path: `/v1/schedules/${encodeURIComponent(input.name)}` }, options);
  }

  /**
   * Create or replace a schedule.
   *
   * Whoever says the same again changes nothing. A pause stays; a change of the pattern counts from now on.
   *
   * `PUT /v1/schedules/{name}`
   */
  putSchedule(input: PutScheduleInput, options?: CallOptions): Promise<ScheduleBody> {
    return this.call({ method: "PUT", path: `/v1/schedules/${encodeURIComponent(input.name)}`, body: input.body }, options);
  }

  /**
   * Stop a schedule.
   *
   * `POST /v1/schedules/{name}/pause`
   */
  pauseSchedule(input: PauseScheduleInput, options?: CallOptions): Promise<ScheduleBody> {
    return this.call({ method: "POST", path: `/v1/schedules/${encodeURIComponent(input.name)}/pause`, body: input.body }, options);
  }

  /**
   * Let a schedule go on.
   *
   * With its next tick from now; the ones in between are not made up for.
   *
   * `POST /v1/schedules/{name}/resume`
   */
  resumeSchedule(input: ResumeScheduleInput, options?: CallOptions): Promise<ScheduleBody> {
    return this.call({ method: "POST", path: `/v1/schedules/${encodeURIComponent(input.name)}/resume` }, options);
  }

  /**
   * Run a schedule now.
   *
   * Enqueues its job, paused or not; its ticks come as they would have. With the header `Idempotency-Key`, the same key gives
   * the same job for 30 days.
   *
   * `POST /v1/schedules/{name}/run`
   */
  runSchedule(input: RunScheduleInput, options?: CallOptions): Promise<JobAccepted> {
    return this.call({ method: "POST", path: `/v1/schedules/${encodeURIComponent(input.name)}/run`, headers: { "Idempotency-Key": input.idempotencyKey }, keyed: true }, options);
  }

  /**
   * List settings.
   *
   * Those that the team has set and those that it has not, by name. Of a secret only its mask.
   *
   * `GET /v1/settings`
   */
  listSettings(options?: CallOptions): Promise<SettingList> {
    return this.call({ method: "GET", path: `/v1/settings` }, options);
  }

  /**
   * Take a setting away.
   *
   * Then its default holds. If-Match as for setting it.
   *
   * `DELETE /v1/settings/{name}`
   */
  deleteSetting(input: DeleteSettingInput, options?: CallOptions): Promise<void> {
    return this.call({ method: "DELETE", path: `/v1/settings/${encodeURIComponent(input.name)}`, headers: { "If-Match": input.ifMatch } }, options);
  }

  /**
   * Look at a setting.
   *
   * The ETag says which version it is: pass it as If-Match to change that one and no newer.
   *
   * `GET /v1/settings/{name}`
   */
  getSetting(input: GetSettingInput, options?: CallOptions): Promise<SettingView> {
    return this.call({ method: "GET", path: `/v1/settings/${encodeURIComponent(input.name)}` }, options);
  }

  /**
   * Set a setting.
   *
   * If-Match must be the ETag that was read, so that nobody overwrites what he has not seen; `*` overwrites whatever is there.
   *
   * `PUT /v1/settings/{name}`
   */
  putSetting(input: PutSettingInput, options?: CallOptions): Promise<SettingView> {
    return this.call({ method: "PUT", path: `/v1/settings/${encodeURIComponent(input.name)}`, headers: { "If-Match": input.ifMatch }, body: input.body }, options);
  }

  /**
   * List webhook endpoints.
   *
   * `GET /v1/webhook-endpoints`
   */
  listWebhookEndpoints(options?: CallOptions): Promise<EndpointList> {
    return this.call({ method: "GET", path: `/v1/webhook-endpoints` }, options);
  }

  /**
   * Create a webhook endpoint.
   *
   * The answer holds its secret: the only time that it is seen.
   *
   * `POST /v1/webhook-endpoints`
   */
  createWebhookEndpoint(input: CreateWebhookEndpointInput, options?: CallOptions): Promise<EndpointSecret> {
    return this.call({ method: "POST", path: `/v1/webhook-endpoints`, body: input.body }, options);
  }

  /**
   * Delete a webhook endpoint.
   *
   * What waits for it is not delivered any more.
   *
   * `DELETE /v1/webhook-endpoints/{id}`
   */
  deleteWebhookEndpoint(input: DeleteWebhookEndpointInput, options?: CallOptions): Promise<void> {
    return this.call({ method: "DELETE", path: `/v1/webhook-endpoints/${encodeURIComponent(input.id)}` }, options);
  }

  /**
   * Look at a webhook endpoint.
   *
   * `GET /v1/webhook-endpoints/{id}`
   */
  getWebhookEndpoint(input: GetWebhookEndpointInput, options?: CallOptions): Promise<EndpointBody> {
    return this.call({ method: "GET", path: `/v1/webhook-endpoints/${encodeURIComponent(input.id)}` }, options);
  }

  /**
   * Change a webhook endpoint.
   *
   * What is left out stays. `enabled: true` takes back why it was disabled.
   *
   * `PATCH /v1/webhook-endpoints/{id}`
   */
  updateWebhookEndpoint(input: UpdateWebhookEndpointInput, options?: CallOptions): Promise<EndpointBody> {
    return this.call({ method: "PATCH", path: `/v1/webhook-endpoints/${encodeURIComponent(input.id)}`, body: input.body }, options);
  }

  /**
   * List deliveries to an endpoint.
   *
   * `GET /v1/webhook-endpoints/{id}/deliveries`
   */
  listWebhookDeliveries(input: ListWebhookDeliveriesInput, options?: CallOptions): Promise<DeliveryPage> {
    return this.call({ method: "GET", path: `/v1/webhook-endpoints/${encodeURIComponent(input.id)}/deliveries`, query: { state: input.state, after: input.after, limit: input.limit } }, options);
  }

  /**
   * Look at a delivery.
   *
   * `GET /v1/webhook-endpoints/{id}/deliveries/{delivery}`
   */
  getWebhookDelivery(input: GetWebhookDeliveryInput, options?: CallOptions): Promise<DeliveryBody> {
    return this.call({ method: "GET", path: `/v1/webhook-endpoints/${encodeURIComponent(input.id)}/deliveries/${encodeURIComponent(input.delivery)}` }, options);
  }

  /**
   * Deliver once more.
   *
   * What has ended, delivered or not, under the same `webhook-id`.
   *
   * `POST /v1/webhook-endpoints/{id}/deliveries/{delivery}/replay`
   */
  replayWebhookDelivery(input: ReplayWebhookDeliveryInput, options?: CallOptions): Promise<DeliveryAccepted> {
    return this.call({ method: "POST", path: `/v1/webhook-endpoints/${encodeURIComponent(input.id)}/deliveries/${encodeURIComponent(input.delivery)}/replay` }, options);
  }

  /**
   * Give a webhook endpoint a new secret.
   *
   * The one before signs beside it for `keep_hours` more, so that receivers can change over. The answer holds the new one: the
   * only time that it is seen.
   *
   * `POST /v1/webhook-endpoints/{id}/rotate`
   */
  rotateWebhookSecret(input: RotateWebhookSecretInput, options?: CallOptions): Promise<EndpointSecret> {
    return this.call({ method: "POST", path: `/v1/webhook-endpoints/${encodeURIComponent(input.id)}/rotate`, body: input.body }, options);
  }

  /**
   * Send a test event.
   *
   * `webhook.test`, whatever the endpoint subscribes to; tried once.
   *
   * `POST /v1/webhook-endpoints/{id}/test`
   */
  testWebhookEndpoint(input: TestWebhookEndpointInput, options?: CallOptions): Promise<DeliveryAccepted> {
    return this.call({ method: "POST", path: `/v1/webhook-endpoints/${encodeURIComponent(input.id)}/test` }, options);
  }
}

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

/** Ends the running enrollments and the waiting messages of a campaign that has ended. */
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

/** Looks the vendor's list of a day through for numbers of the team. */
export interface PullDeactivations {
  /** The day; if not said, the one before the day on which it runs (UTC). */
  day?: string | null;
}

/** Enrolls leads once more. */
export interface ReenrollLeads {
  /** The campaign. */
  campaign_id: CampaignId;
}

/** Refreshes the team's tags and audience. */
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

/** Sends a planned message as a mail. */
export interface SendEmail {
  /** The message, as it was planned. */
  message_id: number;
}

/** Sends a planned message. */
export interface SendSms {
  /** The message, as it was planned. */
  message_id: number;
}

/** Tells of a campaign. */
export interface SyncCampaign {
  /** The campaign. */
  campaign_id: CampaignId;
}

/** Writes the text of a planned message. */
export interface WriteText {
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
  /** Queue `messages`, 10 attempts. */
  pull_deactivations: PullDeactivations;
  /** Queue `enrollment`, 10 attempts. */
  reenroll_leads: ReenrollLeads;
  /** Queue `enrollment`, 10 attempts. */
  refresh_tags: RefreshTags;
  /** Queue `upkeep`, 10 attempts. */
  rotate_secrets: RotateSecrets;
  /** Queue `upkeep`, 10 attempts. */
  run_dead_plan: RunDeadPlan;
  /** Queue `enrollment`, 10 attempts. */
  run_sequence: RunSequence;
  /** Queue `messages`, 10 attempts. */
  send_email: SendEmail;
  /** Queue `messages`, 10 attempts. */
  send_sms: SendSms;
  /** Queue `integrations`, 10 attempts. */
  sync_campaign: SyncCampaign;
  /** Queue `texts`, 10 attempts. */
  write_text: WriteText;
}

/** The name of a kind. */
export type Kind = keyof Payloads;

// ------------------------------------------------------------------------------------------------------------------
// What the HTTP API takes and gives

/** A campaign's figures. */
export interface Analytics {
  enrollments: EnrollmentFigures;
  /** Of all messages. */
  totals: MessageFigures;
  /** By step and variant. */
  variants: VariantFigures[];
}

/** A message that waits for a person. */
export interface ApprovalBody {
  /** What it says. */
  body: string;
  campaign: number;
  /** `sms` or `email`. */
  channel: string;
  lead: number;
  /** The message. */
  message: number;
  planned_at: string;
  /** `draft`: its text is being written; `preview`: somebody has to look at it. */
  stage: string;
  step: number;
  /** Of a mail. */
  subject?: string | null;
  /** Which wording that is: pass it along with a decision, so that another one is not decided about unseen. */
  text: number;
}

/** A message with all that was said and decided. */
export interface ApprovalDetail {
  campaign: number;
  channel: string;
  /** What was decided about it. */
  decisions: DecisionBody[];
  /** Why it ended, where it ended unsent. */
  ended_because?: string | null;
  lead: number;
  message: number;
  /** Where it came to, when, and by whom. */
  moments: MomentBody[];
  /** `draft`, `preview`, `pending`, `processing`, `sent`, `rejected`, `failed` or `suppressed`. */
  stage: string;
  step: number;
  /** Its wordings, the first one first. */
  texts: TextBody[];
}

/** Messages that wait for a person. */
export interface ApprovalPage {
  approvals: ApprovalBody[];
  /** Pass it as `after`; left out on the last page. */
  next?: number | null;
}

/** Many messages to approve. */
export interface ApproveManyRequest {
  /** At most so many; the configuration has the most there may be. */
  at_most: number;
  /** Only of this campaign. */
  campaign?: number | null;
  /** These; left out: whatever waits, the oldest first. */
  messages?: number[] | null;
  /** Why. */
  reason?: string | null;
  /** Only those whose wording is this one or an older one: what was written since you looked is left. */
  up_to_text?: number | null;
}

/** What was approved. */
export interface ApprovedManyBody {
  /** Messages that were approved. */
  approved: number;
  /** Others like them still wait. */
  more: boolean;
}

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

/** Leads to look at before there is a campaign. */
export interface AudienceRequest {
  /** The levels of leads: high, medium, low (or green, yellow, red). */
  engagement: string[];
  /** Leads in the sample. */
  limit?: number;
  /** Where the sample begins. */
  offset?: number;
  /** A lead matches with any of them; none: every lead matches. */
  target_tags?: string[];
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

/** A campaign. */
export interface CampaignBody {
  /** When it begins by itself, or was to. */
  activate_at?: string | null;
  /** When it was activated the first time. */
  activated_at?: string | null;
  changed_at: string;
  cloned_from?: number | null;
  created_at: string;
  engagement: string[];
  id: number;
  name: string;
  /** When its first step opens: activation and the first delay. */
  opens_at?: string | null;
  purpose: CampaignPurpose;
  recalled_at?: string | null;
  sender: string;
  /** draft, scheduled, active, paused, completed or stopped. */
  state: string;
  /**
   * Why it was paused or completed by itself; null where a person did it: filtered (carriers took too many of its texts for spam),
   * sender_unregistered, sender_retired (when its time had come its number was gone), all_through (nobody was left in it).
   */
  state_reason?: string | null;
  target_tags: string[];
}

/** What a campaign's steps are. */
export interface CampaignContent {
  /** Those that are more than plain text messages. */
  steps: StepBody[];
}

/** A campaign that was created, or that its key had named before. */
export interface CampaignCreated {
  campaign: CampaignBody;
  /** The job that enrolls its leads; left out where the campaign was there already. */
  job?: string | null;
}

/** A campaign with its steps and its figures. */
export interface CampaignDetail {
  campaign: CampaignBody;
  enrollments: EnrollmentFigures;
  messages: MessageFigures;
  steps: StepBody[];
}

/** Work on a campaign that was accepted. */
export interface CampaignJob {
  id: number;
  /** Its output says what it did. */
  job: string;
}

/** Where a campaign stands now. */
export interface CampaignMoved {
  id: number;
  state: string;
}

/** A page of campaigns, the newest first. */
export interface CampaignPage {
  campaigns: CampaignBody[];
  /** Pass it as `after` for the next page; null on the last one. */
  next?: number | null;
}

/** What a campaign's messages are for. */
export type CampaignPurpose = "marketing" | "transactional";

/** A campaign that was recalled. */
export interface CampaignRecalled {
  id: number;
  /** The job that ends both, one by one. */
  job: string;
  /** What had left. */
  left: LeftBody;
  /** Leads that were in its sequence. */
  running: number;
  state: string;
  /** Messages that waited: none of them leaves. */
  waiting: number;
}

/** A campaign to be. */
export interface CampaignRequest {
  /** The levels of leads it is for: high, medium, low (or green, yellow, red). */
  engagement: string[];
  /** Once in a team. */
  name: string;
  /** What its messages are for; marketing when left out. */
  purpose?: CampaignPurpose;
  /** The number its messages come from, E.164. */
  sender: string;
  /** Its messages in their order. */
  steps: StepRequest[];
  /** A lead matches with any of them; none: every lead matches. */
  target_tags?: string[];
}

/** What a copy is called. */
export interface CloneRequest {
  /** Once in a team. */
  name: string;
  /** The number its messages come from; the campaign's own when left out. */
  sender?: string | null;
}

/** A consent that is on record. */
export interface ConsentBody {
  /** Its number, which decisions about messages name. */
  consent: number;
}

/** How somebody agreed. */
export type ConsentLevel = "express" | "express_written";

/** A consent, with what proves it. */
export interface ConsentRequest {
  /** When they agreed; now when left out. */
  captured_at?: string | null;
  /** What proves it: where the form lies, its digest. */
  evidence?: string | null;
  /** When it ends. */
  expires_at?: string | null;
  level: ConsentLevel;
  /** By which way they agreed. */
  method: string;
  /** In any form; a US number needs no country. */
  phone: string;
  /** To what; marketing when left out, which is one to what somebody asked for, too. */
  purpose?: CampaignPurpose;
}

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

/** A decision. */
export interface DecideRequest {
  /** Why, for whoever reads it later. */
  reason?: string | null;
  /** The wording that was looked at: the decision is refused (412) when the message says something else now. */
  text?: number | null;
}

/** One decision about a message. */
export interface DecisionBody {
  decided_at: string;
  decided_by: string;
  decision: number;
  /** Of an edit: the wording that was put in its place. */
  new_text?: number | null;
  reason?: string | null;
  /** The wording that it was about. */
  text: number;
  /** `approve`, `reject`, `edit` or `rewrite`. */
  verdict: string;
}

/** Decisions, for whoever learns from them. */
export interface DecisionPage {
  decisions: ExportedDecision[];
  /** Pass it as `after`; left out on the last page. */
  next?: number | null;
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

/** Another wording. */
export interface EditRequest {
  /** What the message says from now on, 1 to 1600 characters: sent as it stands. */
  body: string;
  /** Why. */
  reason?: string | null;
  /** Of a mail; left out: as it was. */
  subject?: string | null;
  /** The wording that was looked at. */
  text?: number | null;
}

/** An edit that was taken. */
export interface Edited {
  /** The new wording; it still has to be approved. */
  text: number;
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

/** A lead's way through a sequence. */
export interface EnrollmentBody {
  enrolled_at: string;
  /** The job that enrolled it last. */
  job: string;
  /** When that falls due; the first one not before the campaign opens. */
  next_due_at?: string | null;
  next_step?: number | null;
  round: number;
  state: string;
}

/** How enrollments stand. */
export interface EnrollmentFigures {
  completed: number;
  enrolled: number;
  running: number;
  stopped: number;
}

/** A decision with what it was about. */
export interface ExportedDecision {
  /** The wording that was looked at. */
  body: string;
  campaign: number;
  channel: string;
  decided_at: string;
  decided_by: string;
  decision: number;
  lead: number;
  message: number;
  model?: string | null;
  /** Of an edit: the wording that was put in its place. */
  new_body?: string | null;
  new_subject?: string | null;
  /** What the template gave. */
  original: string;
  /** What the model was told, where one wrote. */
  prompt?: string | null;
  reason?: string | null;
  /** Where the wording that was looked at came from. */
  source: string;
  step: number;
  subject?: string | null;
  /** `approve`, `reject`, `edit` or `rewrite`. */
  verdict: string;
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

/** What had left when a campaign was recalled. */
export interface LeftBody {
  /** The vendor had them. */
  accepted: number;
  delivered: number;
  /** On their way to the vendor: each gets there within the dispatch deadline, or not at all. */
  dispatching: number;
  failed: number;
  /** It is being found out whether the vendor took them. */
  unknown: number;
}

/** A job that follows another. */
export interface Link {
  /** What it does. */
  kind: string;
  /** With what. */
  payload: Record<string, unknown>;
}

/** What became of messages. */
export interface MessageFigures {
  /** Taken by the vendor, whatever became of them later. */
  accepted: number;
  /** Credits that were charged for them, by the ledger; those that a model's texts cost included. */
  credits: number;
  delivered: number;
  dispatching: number;
  failed: number;
  /** Of those, how many for what. */
  failed_by_class: Record<string, number>;
  /** Of the replies, those that said stop. */
  opt_outs: number;
  /** All that were ever planned; one a send key. */
  planned: number;
  replies: number;
  /** Segments that the vendor counted. */
  segments: number;
  /** Stopped by a rule before they were handed over. */
  suppressed: number;
  /** Of those, how many by which rule. */
  suppressed_by_rule: Record<string, number>;
  /** It is being found out whether the vendor took them. */
  unknown: number;
  /** Not yet handed to the vendor. */
  waiting: number;
}

/** What becomes of ticks that nobody was there to fire. */
export type Missed = "skip" | "run_once" | "catch_up";

/** Where a message came to. */
export interface MomentBody {
  at: string;
  /** By whom; left out where the send itself moved it. */
  by?: string | null;
  /** `approved` stands here too: it is a moment, not a place to wait in. */
  stage: string;
}

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

/** Who a campaign would reach. */
export interface PreviewBody {
  /** When they were counted, where that was not now: the leads of a large team are counted by a job. */
  counted_at?: string | null;
  /** Of those, leads that nothing keeps out. */
  free: number;
  /** Some of them, by id; what keeps each out is looked at now. */
  sample: SampledBody[];
  /** How many would be skipped, and why. */
  skipped: Skipped;
  /** The texts as somebody whose every field is known would get them. */
  texts: TextBody[];
  /** Leads that match. */
  total: number;
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

/** One report of the vendor. */
export interface ReportBody {
  at: string;
  error_code?: number | null;
  status: string;
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

/** A lead of a sample. Who it is, without a number. */
export interface SampledBody {
  city?: string | null;
  company?: string | null;
  engagement: string;
  /** `free`, or what would keep it out. */
  fate: string;
  first_name?: string | null;
  last_name?: string | null;
  lead_id: number;
  /** Why a text could not be written for it; it is never sent then. */
  problem?: string | null;
  state?: string | null;
  tags: string[];
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

/** When a campaign begins. */
export interface ScheduleCampaignRequest {
  /** Ahead of now, by a year at most. */
  activate_at: string;
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

/** Leads that would be skipped, each by the first thing that keeps it out. */
export interface Skipped {
  enrolled_before: number;
  no_phone: number;
  running_elsewhere: number;
  /** Said stop. */
  stopped: number;
  /** The number is on the suppression list. */
  suppressed: number;
}

/** Where a plan is. */
export type State = "unapproved" | "ready" | "started" | "stopped" | "ended";

/** What one step is. */
export interface StepBody {
  /** A person looks at each message first. */
  approval?: boolean;
  /** `sms` or `email`. `voice` is refused: no vendor places calls. */
  channel?: string;
  /** What a model is told; left out: the step's template is the text. */
  prompt?: string | null;
  /** Which step, from 1. */
  step: number;
  /** The subject of a mail: a template, as the step's text is. */
  subject?: string | null;
}

/** One message of a sequence. */
export interface StepRequest {
  /** Minutes behind the step before; for the first, behind enrollment and activation. */
  delay_minutes: number;
  /** The text with its variables in double braces. */
  template: string;
  /** Other texts, each for its share of the leads: variants b, c, d, e. */
  variants?: VariantRequest[];
  /** Its share of the leads beside `variants`; 1 when left out. */
  weight?: number | null;
}

/** What a suppression stopped. */
export interface SuppressionBody {
  /** Sequences that were running. */
  enrollments: number;
  /** Messages that waited. */
  messages: number;
  reason: SuppressionReason;
}

/** Why a number gets no texts. */
export type SuppressionReason = "OPT_OUT" | "DNC_REQUEST" | "LEGAL_DNC" | "WRONG_NUMBER" | "INVALID_NUMBER";

/** A number that gets no texts any more. */
export interface SuppressionRequest {
  /** In any form; a US number needs no country. */
  phone: string;
  /** Why; a request not to be called when left out. */
  reason?: SuppressionReason;
}

/** A tag and how many leads carry it. */
export interface TagBody {
  leads: number;
  /** When they were counted. */
  refreshed_at: string;
  tag: string;
}

/** The team's tags. */
export interface TagList {
  tags: TagBody[];
}

/** A flag as one team has it. */
export interface TeamFlag {
  /** What it switches. */
  description: string;
  /** Its name. */
  name: string;
  /** Whether it is on for the team. */
  on: boolean;
}

/** One wording of a message. */
export interface TextBody {
  body: string;
  model?: string | null;
  /** Why the template had to stand in: `content_filter`, `cut_off`, `placeholder` and their like. */
  note?: string | null;
  /** `template`, `generated` or `edited`. */
  source: string;
  subject?: string | null;
  text: number;
  written_at: string;
  written_by: string;
}

/** What became of one step for one lead. No number, no text. */
export interface TrailEntry {
  accepted_at?: string | null;
  attempted_at?: string | null;
  /** What was decided about it, the oldest first. */
  decisions: DecisionBody[];
  ended_at?: string | null;
  error_code?: number | null;
  lead_id: number;
  message_id: number;
  planned_at: string;
  reason?: string | null;
  /** What the vendor reported, the oldest first. */
  reports: ReportBody[];
  /** The message that failed in passing and is sent once more by this one. */
  resend_of?: number | null;
  /** 1, and one more each time the lead was enrolled again because its sends had failed, or one was sent once more by itself. */
  round: number;
  segments?: number | null;
  state: string;
  step: number;
  variant: string;
  vendor?: string | null;
  /** The furthest that the vendor has reported. */
  vendor_status?: string | null;
}

/** A page of a campaign's trail, by lead, step and round. */
export interface TrailPage {
  entries: TrailEntry[];
  /** Pass it as `after` for the next page; null on the last one. */
  next?: string | null;
}

/** One text of a step. */
export interface VariantBody {
  template: string;
  variant: string;
  weight: number;
}

/** The figures of one variant of one step. */
export interface VariantFigures {
  figures: MessageFigures;
  step: number;
  variant: string;
}

/** Another text of a step. */
export interface VariantRequest {
  /** The text with its variables in double braces. */
  template: string;
  /** Its share of the leads; 1 when left out. */
  weight?: number | null;
}

/** Why a lead is or is not in a campaign, and all that became of it there. */
export interface WhyBody {
  /**
   * enrolled_running, enrolled_completed, enrolled_stopped, other_tags, other_engagement, no_phone, stopped, suppressed,
   * running_elsewhere or free.
   */
  answer: string;
  enrollment?: EnrollmentBody | null;
  lead_id: number;
  trail: TrailEntry[];
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

/** What `listApprovalDecisions` takes. */
export interface ListApprovalDecisionsInput {
  /** Go on behind this decision: the `next` of the page before. */
  after?: number;
  /** How many at most: 1 to 1,000. */
  limit?: number;
}

/** What `listApprovals` takes. */
export interface ListApprovalsInput {
  /** Only of this campaign. */
  campaign?: number;
  /** Those whose text is still being written, in place of those that somebody has to look at. */
  drafts?: boolean;
  /** Go on behind this message: the `next` of the page before. */
  after?: number;
  /** How many at most: 1 to 1,000. */
  limit?: number;
}

/** What `approveMany` takes. */
export interface ApproveManyInput {
  body: ApproveManyRequest;
}

/** What `getApproval` takes. */
export interface GetApprovalInput {
  /** The message */
  message: number;
}

/** What `approveMessage` takes. */
export interface ApproveMessageInput {
  /** The message */
  message: number;
  body?: DecideRequest | null;
}

/** What `editMessage` takes. */
export interface EditMessageInput {
  /** The message */
  message: number;
  body: EditRequest;
}

/** What `rejectMessage` takes. */
export interface RejectMessageInput {
  /** The message */
  message: number;
  body?: DecideRequest | null;
}

/** What `rewriteMessage` takes. */
export interface RewriteMessageInput {
  /** The message */
  message: number;
  body?: DecideRequest | null;
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

/** What `listCampaigns` takes. */
export interface ListCampaignsInput {
  /** Go on behind this one: the `next` of the page before. */
  after?: number;
  /** How many at most: 1 to 1,000. */
  limit?: number;
}

/** What `createCampaign` takes. */
export interface CreateCampaignInput {
  /** The same key, in the same team, gives one campaign; quoted or bare. */
  idempotencyKey?: string | null;
  body: CampaignRequest;
}

/** What `previewAudience` takes. */
export interface PreviewAudienceInput {
  body: AudienceRequest;
}

/** What `getCampaignContent` takes. */
export interface GetCampaignContentInput {
  /** The campaign */
  campaign: number;
}

/** What `putCampaignContent` takes. */
export interface PutCampaignContentInput {
  /** The campaign */
  campaign: number;
  body: CampaignContent;
}

/** What `deleteCampaign` takes. */
export interface DeleteCampaignInput {
  /** The campaign */
  id: number;
}

/** What `getCampaign` takes. */
export interface GetCampaignInput {
  /** The campaign */
  id: number;
}

/** What `activateCampaign` takes. */
export interface ActivateCampaignInput {
  /** The campaign */
  id: number;
}

/** What `getCampaignAnalytics` takes. */
export interface GetCampaignAnalyticsInput {
  /** The campaign */
  id: number;
}

/** What `cloneCampaign` takes. */
export interface CloneCampaignInput {
  /** The campaign */
  id: number;
  body: CloneRequest;
}

/** What `completeCampaign` takes. */
export interface CompleteCampaignInput {
  /** The campaign */
  id: number;
}

/** What `enrollCampaign` takes. */
export interface EnrollCampaignInput {
  /** The campaign */
  id: number;
}

/** What `getCampaignLead` takes. */
export interface GetCampaignLeadInput {
  /** The campaign */
  id: number;
  /** The lead */
  lead: number;
}

/** What `pauseCampaign` takes. */
export interface PauseCampaignInput {
  /** The campaign */
  id: number;
}

/** What `previewCampaign` takes. */
export interface PreviewCampaignInput {
  /** The campaign */
  id: number;
  /** Where the sample begins: 0 to 10,000. */
  offset?: number;
  /** Leads in the sample: 0 to 100. */
  limit?: number;
}

/** What `recallCampaign` takes. */
export interface RecallCampaignInput {
  /** The campaign */
  id: number;
}

/** What `reenrollCampaign` takes. */
export interface ReenrollCampaignInput {
  /** The campaign */
  id: number;
}

/** What `resumeCampaign` takes. */
export interface ResumeCampaignInput {
  /** The campaign */
  id: number;
}

/** What `scheduleCampaign` takes. */
export interface ScheduleCampaignInput {
  /** The campaign */
  id: number;
  body: ScheduleCampaignRequest;
}

/** What `stopCampaign` takes. */
export interface StopCampaignInput {
  /** The campaign */
  id: number;
}

/** What `getCampaignTrail` takes. */
export interface GetCampaignTrailInput {
  /** The campaign */
  id: number;
  /** Go on behind this place: the `next` of the page before. */
  after?: string;
  /** How many at most: 1 to 1,000. */
  limit?: number;
}

/** What `recordConsent` takes. */
export interface RecordConsentInput {
  body: ConsentRequest;
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

/** What `suppressNumber` takes. */
export interface SuppressNumberInput {
  body: SuppressionRequest;
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
   * List decisions.
   *
   * The oldest first, each with the wordings that it was about: for the record, and for whoever trains a model on them.
   *
   * `GET /v1/approval-decisions`
   */
  listApprovalDecisions(input: ListApprovalDecisionsInput = {}, options?: CallOptions): Promise<DecisionPage> {
    return this.call({ method: "GET", path: `/v1/approval-decisions`, query: { after: input.after, limit: input.limit } }, options);
  }

  /**
   * List messages that wait for a person.
   *
   * The oldest first.
   *
   * `GET /v1/approvals`
   */
  listApprovals(input: ListApprovalsInput = {}, options?: CallOptions): Promise<ApprovalPage> {
    return this.call({ method: "GET", path: `/v1/approvals`, query: { campaign: input.campaign, drafts: input.drafts, after: input.after, limit: input.limit } }, options);
  }

  /**
   * Approve many messages.
   *
   * At most as many as the configuration allows; whatever somebody else has in hand is passed over. Each gate is asked again when
   * a message leaves.
   *
   * `POST /v1/approvals`
   */
  approveMany(input: ApproveManyInput, options?: CallOptions): Promise<ApprovedManyBody> {
    return this.call({ method: "POST", path: `/v1/approvals`, body: input.body }, options);
  }

  /**
   * Look at a message that was written or waits.
   *
   * Where it stands and how it came there, every wording that it has had, and what was decided about it.
   *
   * `GET /v1/approvals/{message}`
   */
  getApproval(input: GetApprovalInput, options?: CallOptions): Promise<ApprovalDetail> {
    return this.call({ method: "GET", path: `/v1/approvals/${encodeURIComponent(input.message)}` }, options);
  }

  /**
   * Approve a message.
   *
   * It leaves when every gate is open.
   *
   * `POST /v1/approvals/{message}/approve`
   */
  approveMessage(input: ApproveMessageInput, options?: CallOptions): Promise<ApprovalDetail> {
    return this.call({ method: "POST", path: `/v1/approvals/${encodeURIComponent(input.message)}/approve`, body: input.body }, options);
  }

  /**
   * Edit a message.
   *
   * The wording there was is kept. The new one still has to be approved.
   *
   * `POST /v1/approvals/{message}/edit`
   */
  editMessage(input: EditMessageInput, options?: CallOptions): Promise<Edited> {
    return this.call({ method: "POST", path: `/v1/approvals/${encodeURIComponent(input.message)}/edit`, body: input.body }, options);
  }

  /**
   * Reject a message.
   *
   * It never leaves. The lead's sequence goes on with its next step.
   *
   * `POST /v1/approvals/{message}/reject`
   */
  rejectMessage(input: RejectMessageInput, options?: CallOptions): Promise<ApprovalDetail> {
    return this.call({ method: "POST", path: `/v1/approvals/${encodeURIComponent(input.message)}/reject`, body: input.body }, options);
  }

  /**
   * Have a message written anew.
   *
   * Only where a model wrote it, and so often an hour for each person (429 with Retry-After beyond that). It is a draft until the
   * new text is there.
   *
   * `POST /v1/approvals/{message}/rewrite`
   */
  rewriteMessage(input: RewriteMessageInput, options?: CallOptions): Promise<ApprovalDetail> {
    return this.call({ method: "POST", path: `/v1/approvals/${encodeURIComponent(input.message)}/rewrite`, body: input.body }, options);
  }

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
   * List campaigns.
   *
   * `GET /v1/campaigns`
   */
  listCampaigns(input: ListCampaignsInput = {}, options?: CallOptions): Promise<CampaignPage> {
    return this.call({ method: "GET", path: `/v1/campaigns`, query: { after: input.after, limit: input.limit } }, options);
  }

  /**
   * Create a campaign.
   *
   * A draft; its leads are enrolled at once, by a job that commits with it. Nothing is sent before it is activated. The same
   * `Idempotency-Key` gives the same campaign.
   *
   * `POST /v1/campaigns`
   */
  createCampaign(input: CreateCampaignInput, options?: CallOptions): Promise<CampaignCreated> {
    return this.call({ method: "POST", path: `/v1/campaigns`, headers: { "Idempotency-Key": input.idempotencyKey }, body: input.body, keyed: true }, options);
  }

  /**
   * Preview an audience.
   *
   * How many leads a campaign like this would reach, how many it would skip and why, and a look at some. Nothing is created.
   *
   * `POST /v1/campaigns/preview`
   */
  previewAudience(input: PreviewAudienceInput, options?: CallOptions): Promise<PreviewBody> {
    return this.call({ method: "POST", path: `/v1/campaigns/preview`, body: input.body }, options);
  }

  /**
   * Look at what a campaign's steps are.
   *
   * `GET /v1/campaigns/{campaign}/content`
   */
  getCampaignContent(input: GetCampaignContentInput, options?: CallOptions): Promise<CampaignContent> {
    return this.call({ method: "GET", path: `/v1/campaigns/${encodeURIComponent(input.campaign)}/content` }, options);
  }

  /**
   * Say what a campaign's steps are.
   *
   * In place of what was said before, and only until the campaign begins; steps that are not named are plain text messages.
   *
   * `PUT /v1/campaigns/{campaign}/content`
   */
  putCampaignContent(input: PutCampaignContentInput, options?: CallOptions): Promise<CampaignContent> {
    return this.call({ method: "PUT", path: `/v1/campaigns/${encodeURIComponent(input.campaign)}/content`, body: input.body }, options);
  }

  /**
   * Delete a campaign.
   *
   * Refused where a lead was ever enrolled: then it stays on record. Stop it instead.
   *
   * `DELETE /v1/campaigns/{id}`
   */
  deleteCampaign(input: DeleteCampaignInput, options?: CallOptions): Promise<void> {
    return this.call({ method: "DELETE", path: `/v1/campaigns/${encodeURIComponent(input.id)}` }, options);
  }

  /**
   * Look at a campaign.
   *
   * With its steps, and what became of its leads and messages so far.
   *
   * `GET /v1/campaigns/{id}`
   */
  getCampaign(input: GetCampaignInput, options?: CallOptions): Promise<CampaignDetail> {
    return this.call({ method: "GET", path: `/v1/campaigns/${encodeURIComponent(input.id)}` }, options);
  }

  /**
   * Activate a campaign.
   *
   * Its steps fall due from now on.
   *
   * `POST /v1/campaigns/{id}/activate`
   */
  activateCampaign(input: ActivateCampaignInput, options?: CallOptions): Promise<CampaignMoved> {
    return this.call({ method: "POST", path: `/v1/campaigns/${encodeURIComponent(input.id)}/activate` }, options);
  }

  /**
   * Read a campaign's figures.
   *
   * Planned, accepted, delivered, failed by class, replies, opt-outs, segments: in all, and by step and variant. From counters,
   * so that it costs the same for ten messages and ten million.
   *
   * `GET /v1/campaigns/{id}/analytics`
   */
  getCampaignAnalytics(input: GetCampaignAnalyticsInput, options?: CallOptions): Promise<Analytics> {
    return this.call({ method: "GET", path: `/v1/campaigns/${encodeURIComponent(input.id)}/analytics` }, options);
  }

  /**
   * Clone a campaign.
   *
   * A draft with the same purpose, audience, steps and variants under another name, from another number where you give one. Its leads
   * are enrolled when you ask for it.
   *
   * `POST /v1/campaigns/{id}/clone`
   */
  cloneCampaign(input: CloneCampaignInput, options?: CallOptions): Promise<CampaignCreated> {
    return this.call({ method: "POST", path: `/v1/campaigns/${encodeURIComponent(input.id)}/clone`, body: input.body }, options);
  }

  /**
   * Complete a campaign.
   *
   * Refused while a lead is in its sequence or a message of it has no end.
   *
   * `POST /v1/campaigns/{id}/complete`
   */
  completeCampaign(input: CompleteCampaignInput, options?: CallOptions): Promise<CampaignMoved> {
    return this.call({ method: "POST", path: `/v1/campaigns/${encodeURIComponent(input.id)}/complete` }, options);
  }

  /**
   * Enroll a campaign's leads.
   *
   * Every lead that matches by then; those that are in it are passed over.
   *
   * `POST /v1/campaigns/{id}/enroll`
   */
  enrollCampaign(input: EnrollCampaignInput, options?: CallOptions): Promise<CampaignJob> {
    return this.call({ method: "POST", path: `/v1/campaigns/${encodeURIComponent(input.id)}/enroll` }, options);
  }

  /**
   * Why a lead is or is not in a campaign.
   *
   * And all that became of it there, with the facts of each decision.
   *
   * `GET /v1/campaigns/{id}/leads/{lead}`
   */
  getCampaignLead(input: GetCampaignLeadInput, options?: CallOptions): Promise<WhyBody> {
    return this.call({ method: "GET", path: `/v1/campaigns/${encodeURIComponent(input.id)}/leads/${encodeURIComponent(input.lead)}` }, options);
  }

  /**
   * Pause a campaign.
   *
   * When this is answered, no message of it leaves, those already queued included, until it is resumed.
   *
   * `POST /v1/campaigns/{id}/pause`
   */
  pauseCampaign(input: PauseCampaignInput, options?: CallOptions): Promise<CampaignMoved> {
    return this.call({ method: "POST", path: `/v1/campaigns/${encodeURIComponent(input.id)}/pause` }, options);
  }

  /**
   * Preview a campaign.
   *
   * Whom it would reach if its leads were enrolled now, and its texts.
   *
   * `GET /v1/campaigns/{id}/preview`
   */
  previewCampaign(input: PreviewCampaignInput, options?: CallOptions): Promise<PreviewBody> {
    return this.call({ method: "GET", path: `/v1/campaigns/${encodeURIComponent(input.id)}/preview`, query: { offset: input.offset, limit: input.limit } }, options);
  }

  /**
   * Recall a campaign.
   *
   * Stops it, in whatever state it is: when this is answered, no further message of it is handed to a vendor. Says what had left;
   * what waits is cancelled by a job. To recall it once more says how it stands by then.
   *
   * `POST /v1/campaigns/{id}/recall`
   */
  recallCampaign(input: RecallCampaignInput, options?: CallOptions): Promise<CampaignRecalled> {
    return this.call({ method: "POST", path: `/v1/campaigns/${encodeURIComponent(input.id)}/recall` }, options);
  }

  /**
   * Enroll leads once more whose sends failed.
   *
   * In another round, from the step that failed on. What arrived is not sent again, and what nobody knows the outcome of is not
   * either.
   *
   * `POST /v1/campaigns/{id}/reenroll`
   */
  reenrollCampaign(input: ReenrollCampaignInput, options?: CallOptions): Promise<CampaignJob> {
    return this.call({ method: "POST", path: `/v1/campaigns/${encodeURIComponent(input.id)}/reenroll` }, options);
  }

  /**
   * Resume a campaign.
   *
   * What fell due meanwhile is due at once.
   *
   * `POST /v1/campaigns/{id}/resume`
   */
  resumeCampaign(input: ResumeCampaignInput, options?: CallOptions): Promise<CampaignMoved> {
    return this.call({ method: "POST", path: `/v1/campaigns/${encodeURIComponent(input.id)}/resume` }, options);
  }

  /**
   * Schedule a campaign.
   *
   * The scheduler activates it at that time. One that is scheduled already gets another time.
   *
   * `POST /v1/campaigns/{id}/schedule`
   */
  scheduleCampaign(input: ScheduleCampaignInput, options?: CallOptions): Promise<CampaignMoved> {
    return this.call({ method: "POST", path: `/v1/campaigns/${encodeURIComponent(input.id)}/schedule`, body: input.body }, options);
  }

  /**
   * Stop a campaign.
   *
   * For good: when this is answered, no message of it leaves. A job frees its leads for other campaigns.
   *
   * `POST /v1/campaigns/{id}/stop`
   */
  stopCampaign(input: StopCampaignInput, options?: CallOptions): Promise<CampaignMoved> {
    return this.call({ method: "POST", path: `/v1/campaigns/${encodeURIComponent(input.id)}/stop` }, options);
  }

  /**
   * Read a campaign's trail.
   *
   * For each lead and step: what was decided, when, by which rule, and what the vendor said. No number, no text.
   *
   * `GET /v1/campaigns/{id}/trail`
   */
  getCampaignTrail(input: GetCampaignTrailInput, options?: CallOptions): Promise<TrailPage> {
    return this.call({ method: "GET", path: `/v1/campaigns/${encodeURIComponent(input.id)}/trail`, query: { after: input.after, limit: input.limit } }, options);
  }

  /**
   * Record a consent.
   *
   * Append-only. It lifts no suppression: who said STOP has to say START.
   *
   * `POST /v1/consents`
   */
  recordConsent(input: RecordConsentInput, options?: CallOptions): Promise<ConsentBody> {
    return this.call({ method: "POST", path: `/v1/consents`, body: input.body }, options);
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
   * Suppress a number.
   *
   * When this has answered, no text of the team is handed over for it any more: what waits for it is cancelled, its sequences stop, its
   * consents are revoked. Asked once more, it stays so.
   *
   * `POST /v1/suppressions`
   */
  suppressNumber(input: SuppressNumberInput, options?: CallOptions): Promise<SuppressionBody> {
    return this.call({ method: "POST", path: `/v1/suppressions`, body: input.body }, options);
  }

  /**
   * List tags.
   *
   * Which tags the team's leads carry, the most used first, as they were counted last.
   *
   * `GET /v1/tags`
   */
  listTags(options?: CallOptions): Promise<TagList> {
    return this.call({ method: "GET", path: `/v1/tags` }, options);
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

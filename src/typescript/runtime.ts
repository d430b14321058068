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

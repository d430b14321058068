// The HTTP client against a real API: what is lost on the way is sent again, and leaves one job.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Longshore, LongshoreError, type ClientOptions } from "../longshore.js";

const url = process.env.LONGSHORE_URL ?? "";
const key = process.env.LONGSHORE_KEY ?? "";

/** A client whose pauses are noted down and not waited for. */
function client(options: Partial<ClientOptions> = {}): { api: Longshore; pauses: number[] } {
  const pauses: number[] = [];
  const sleep = async (ms: number) => void pauses.push(ms);
  return { api: new Longshore({ url, key, sleep, ...options }), pauses };
}

/** When no worker has taken a job yet that a test is about to cancel. */
function later(): string {
  return new Date(Date.now() + 3_600_000).toISOString();
}

function problem(status: number, code: string, headers: Record<string, string> = {}): Response {
  const body = JSON.stringify({ status, code, title: code, detail: `${code}!`, error_id: "err_1", errors: [] });
  return new Response(body, { status, headers: { "content-type": "application/problem+json", ...headers } });
}

test("a job goes in and is found again", async () => {
  const { api } = client();
  const accepted = await api.enqueue("enrich_person", { lead_id: 1 }, { priority: 3, run_at: later() });
  assert.match(accepted.id, /^job_/);
  assert.equal(accepted.deduplicated, false);
  const job = await api.getJob({ id: accepted.id });
  assert.equal(job.kind, "enrich_person");
  assert.equal(job.priority, 3);
  await api.cancelJob({ id: accepted.id });
  assert.equal((await api.getJob({ id: accepted.id })).state, "cancelled");
});

test("whoever waits for a job hears of its end, and a follower of each state up to it", async () => {
  const { api } = client();
  const { id } = await api.enqueue("refresh_tags", {}, { run_at: later() });
  assert.equal((await api.waitFor(id, { withinMs: 10 })).state, "waiting");
  const waiting = api.waitFor(id);
  const states: string[] = [];
  for await (const { event, data } of api.followJob({ id })) {
    if (event !== "state") continue;
    states.push((data as { state: string }).state);
    if (states.length === 1) await api.cancelJob({ id });
  }
  assert.deepEqual(states, ["waiting", "cancelled"]);
  assert.equal((await waiting).state, "cancelled");

  const now = await api.enqueue("refresh_tags", {});
  assert.equal((await api.waitFor(now.id)).state, "done");
});

test("an answer that was lost is asked for again, and there is one job", async () => {
  const keys: (string | null)[] = [];
  const ids: string[] = [];
  const { api, pauses } = client({
    fetch: async (input, init) => {
      keys.push(new Headers(init?.headers).get("idempotency-key"));
      const response = await fetch(input, init);
      ids.push(((await response.clone().json()) as { id: string }).id);
      if (keys.length < 3) throw new TypeError("the connection was reset");
      return response;
    },
  });
  const accepted = await api.enqueue("enrich_person", { lead_id: 2 });
  assert.equal(keys.length, 3);
  assert(keys[0] && keys.every((one) => one === keys[0]), `one key for all attempts: ${keys}`);
  assert.deepEqual(new Set(ids), new Set([accepted.id]), "the API took it once");
  assert.equal(accepted.deduplicated, false, "nobody but this call has used the key");
  assert.equal(pauses.length, 2);
});

test("a caller's own key is the one that is sent, and tells it of a duplicate", async () => {
  const { api } = client();
  const first = await api.enqueue("enrich_person", { lead_id: 3 }, { idempotency_key: "http-own" });
  const again = await api.enqueue("enrich_person", { lead_id: 3 }, { idempotency_key: "http-own" });
  assert.deepEqual([again.id, again.deduplicated], [first.id, true]);
  await assert.rejects(api.enqueue("enrich_person", { lead_id: 4 }, { idempotency_key: "http-own" }), (error) => {
    assert(error instanceof LongshoreError);
    assert.equal(error.status, 422);
    return true;
  });
});

test("Retry-After is kept to, in seconds and as a date, and not for ever", async () => {
  const answers = [problem(429, "rate_limited", { "retry-after": "7" }), problem(503, "busy", { "retry-after": new Date(Date.now() + 20_000).toUTCString() })];
  const { api, pauses } = client({ fetch: async (input, init) => answers.shift() ?? fetch(input, init) });
  await api.enqueue("enrich_person", { lead_id: 5 });
  assert.equal(pauses[0], 7_000);
  assert((pauses[1] ?? 0) > 15_000 && (pauses[1] ?? 0) <= 20_000, `${pauses}`);

  const patient = client({ fetch: async () => problem(429, "rate_limited", { "retry-after": "3600" }) });
  await assert.rejects(patient.api.getJob({ id: "job_1" }), (error) => error instanceof LongshoreError && error.retryAfterMs === 3_600_000);
  assert.deepEqual(patient.pauses, []);

  const tireless = client({ attempts: 3, fetch: async () => problem(429, "rate_limited") });
  await assert.rejects(tireless.api.getJob({ id: "job_1" }), LongshoreError);
  assert.equal(tireless.pauses.length, 2);
});

test("what might be done twice is not sent twice", async () => {
  let sent = 0;
  const { api } = client({
    fetch: async () => {
      sent++;
      throw new TypeError("the connection was reset");
    },
  });
  await assert.rejects(api.replayDead({ id: "job_1", body: {} }), TypeError);
  assert.equal(sent, 1);
  sent = 0;
  await assert.rejects(api.enqueueJobs({ body: { jobs: [{ kind: "refresh_tags", payload: {} }] } }), TypeError);
  assert.equal(sent, 1, "a batch without keys");
  sent = 0;
  const keyed = { jobs: [{ kind: "refresh_tags", payload: {}, idempotency_key: "http-keyed" }] };
  await assert.rejects(api.enqueueJobs({ body: keyed }), TypeError);
  assert.equal(sent, 5, "a batch whose jobs have keys");
});

test("a refusal has its code, its id and the field that was wrong", async () => {
  const { api, pauses } = client();
  await assert.rejects(api.enqueue("enrich_person", { lead_id: 0 }), (error) => {
    assert(error instanceof LongshoreError, String(error));
    assert.equal(error.status, 422);
    assert.match(error.errorId ?? "", /^err_/);
    assert.equal(error.errors[0]?.pointer, "/payload/lead_id");
    return true;
  });
  await assert.rejects(api.getJob({ id: "../dead" }), (error) => error instanceof LongshoreError && error.status === 404);
  const stranger = client({ key: `${key.slice(0, -1)}${key.endsWith("x") ? "y" : "x"}` });
  await assert.rejects(stranger.api.getJob({ id: "job_1" }), (error) => error instanceof LongshoreError && error.status === 401);
  assert.deepEqual([...pauses, ...stranger.pauses], [], "none of them is worth another try");
});

test("a caller that gives up is not kept waiting", async () => {
  const controller = new AbortController();
  const { api } = client({
    fetch: async (_, init) => {
      controller.abort(new Error("enough"));
      throw init?.signal?.reason;
    },
  });
  await assert.rejects(api.getJob({ id: "job_1" }, { signal: controller.signal }), /enough/);
});

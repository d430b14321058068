// What the compiler accepts and refuses: this file is compiled, not run. An @ts-expect-error that meets no error is one.
import type { Pool, PoolClient } from "pg";
import { sql } from "drizzle-orm";
import type { NodePgDatabase } from "drizzle-orm/node-postgres";
import type { PostgresJsDatabase } from "drizzle-orm/postgres-js";
import { enqueue, enqueueMany, fromDrizzle, fromPg, fromPrisma, Longshore, type JobBody, type Kind, type Payloads } from "../longshore.js";

declare const client: PoolClient;
declare const pool: Pool;
declare const drizzle: NodePgDatabase;
declare const drizzleJs: PostgresJsDatabase;
declare const prisma: { $queryRawUnsafe<T = unknown>(query: string, ...values: any[]): Promise<T> };
const team = "6f9d4c1e-0d5f-4a54-9c58-1f6f3c1f2a10";
const tx = fromPg(client);

export async function accepted(): Promise<void> {
  await enqueue(tx, "enrich_person", { lead_id: 1 }, { team });
  await enqueue(tx, "enrich_person", { lead_id: 1 }, { team, uniqueKey: "lead-1", runAt: new Date(), priority: 2 });
  await enqueue(tx, "refresh_tags", {}, { team, chain: [{ kind: "send_sms", payload: { message_id: 1 } }] });
  await enqueue(fromPg(pool), "refresh_tags", {}, { team });
  await enqueue(fromDrizzle(drizzleJs, sql), "refresh_tags", {}, { team });
  await drizzle.transaction(async (tx) => enqueue(fromDrizzle(tx, sql), "refresh_tags", {}, { team }));
  await enqueue(fromPrisma(prisma), "refresh_tags", {}, { team });
  await enqueueMany(tx, "enrich_person", [{ payload: { lead_id: 1 } }, { payload: { lead_id: 2 }, uniqueKey: "lead-2" }], { team });
  const api = new Longshore({ url: "https://jobs.example.com", key: "lsk_live_…" });
  const job: JobBody = await api.getJob({ id: "job_1" });
  await api.enqueue("enrich_person", { lead_id: 1 }, { run_at: job.created_at });
}

export async function refused(): Promise<void> {
  // @ts-expect-error there is no such kind
  await enqueue(tx, "enrich_persons", { lead_id: 1 }, { team });
  // @ts-expect-error the field is missing
  await enqueue(tx, "enrich_person", {}, { team });
  // @ts-expect-error the field is a number
  await enqueue(tx, "enrich_person", { lead_id: "1" }, { team });
  // @ts-expect-error there is no such field
  await enqueue(tx, "enrich_person", { lead_id: 1, phone: "" }, { team });
  // @ts-expect-error that is another kind's payload
  await enqueue(tx, "enrich_person", { message_id: 1 }, { team });
  // @ts-expect-error a kind without fields takes none
  await enqueue(tx, "refresh_tags", { all: true }, { team });
  // @ts-expect-error a job belongs to a team
  await enqueue(tx, "refresh_tags", {}, {});
  // @ts-expect-error there is no such option
  await enqueue(tx, "refresh_tags", {}, { team, delay: 5 });
  // @ts-expect-error what follows is checked as well
  await enqueue(tx, "refresh_tags", {}, { team, chain: [{ kind: "send_sms", payload: { lead_id: 1 } }] });
  // @ts-expect-error each of many is checked
  await enqueueMany(tx, "enrich_person", [{ payload: { lead_id: 1 } }, { payload: {} }], { team });
  const api = new Longshore({ url: "https://jobs.example.com", key: "lsk_live_…" });
  // @ts-expect-error there is no such kind
  await api.enqueue("enrich", { lead_id: 1 });
  // @ts-expect-error the payload is checked over HTTP as well
  await api.enqueue("enrich_person", { lead: 1 });
  // @ts-expect-error the path needs its id
  await api.getJob({});
  // @ts-expect-error there is no such parameter
  await api.listDead({ knid: "send_sms" });
}

/** The kinds can be walked: a payload's type follows from its kind. */
export function every<K extends Kind>(kind: K, payload: Payloads[K]): [K, Payloads[K]] {
  return [kind, payload];
}

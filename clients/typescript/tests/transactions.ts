// Jobs live and die with the caller's transaction: the same promises through node-postgres, Drizzle, and what Prisma offers.
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { sql } from "drizzle-orm";
import { drizzle } from "drizzle-orm/node-postgres";
import { Pool, type PoolClient } from "pg";
import { enqueue, EnqueueError, enqueueMany, fromDrizzle, fromPg, fromPrisma, type Transaction } from "../longshore.js";

const team = process.env.LONGSHORE_TEAM ?? "";
const pool = new Pool({ connectionString: process.env.DATABASE_URL, max: 50 });
after(() => pool.end());
// Sees what is committed, as somebody who may read.
const reader = new Pool({ connectionString: process.env.READER_URL, max: 2 });
after(() => reader.end());

async function jobs(key: string): Promise<number> {
  const { rows } = await reader.query(
    "select count(*)::int as n from queue.keys where team_id = $1 and digest = sha256(convert_to($2, 'UTF8'))", [team, key]);
  return rows[0].n;
}

type Work = (tx: Transaction, note: (text: string) => Promise<unknown>) => Promise<void>;

async function withPg(work: Work): Promise<void> {
  const client = await pool.connect();
  try {
    await client.query("begin");
    await work(fromPg(client), (text) => client.query("insert into notes values ($1)", [text]));
    await client.query("commit");
  } catch (error) {
    await client.query("rollback");
    throw error;
  } finally {
    client.release();
  }
}

async function withDrizzle(work: Work): Promise<void> {
  await drizzle(pool).transaction(async (tx) => {
    await work(fromDrizzle(tx, sql), (text) => tx.execute(sql`insert into notes values (${text})`));
  });
}

// Prisma's raw queries, as its documents describe them: text with $1, $2, …, and an array of rows; its errors wrap the driver's.
async function withPrismas(work: Work): Promise<void> {
  const client: PoolClient = await pool.connect();
  const $queryRawUnsafe = async (text: string, ...values: unknown[]) => {
    try {
      return (await client.query(text, values)).rows;
    } catch (error) {
      const { code, message, detail, hint } = error as { code: string; message: string; detail?: string; hint?: string };
      const cause = { originalCode: code, originalMessage: message, kind: "postgres", code, severity: "ERROR", message, detail, hint };
      throw Object.assign(new Error("Raw query failed."), { code: "P2010", meta: { driverAdapterError: { cause } } });
    }
  };
  try {
    await client.query("begin");
    await work(fromPrisma({ $queryRawUnsafe }), (text) => client.query("insert into notes values ($1)", [text]));
    await client.query("commit");
  } catch (error) {
    await client.query("rollback");
    throw error;
  } finally {
    client.release();
  }
}

for (const [driver, within] of [["pg", withPg], ["drizzle", withDrizzle], ["prisma", withPrismas]] as const) {
  describe(driver, () => {
    const notes = async () => (await pool.query("select count(*)::int as n from notes where note like $1", [`${driver} %`])).rows[0].n;

    test("a commit leaves the job beside the caller's own row", async () => {
      await within(async (tx, note) => {
        await note(`${driver} commit`);
        const job = await enqueue(tx, "enrich_person", { lead_id: 1 }, { team, uniqueKey: `${driver}-commit` });
        assert.match(job.jobId, /^job_\d+$/);
        assert.equal(job.deduplicated, false);
        const again = await enqueue(tx, "enrich_person", { lead_id: 1 }, { team, uniqueKey: `${driver}-commit` });
        assert.deepEqual(again, { jobId: job.jobId, deduplicated: true });
        assert.equal(await jobs(`${driver}-commit`), 0, "nobody sees it before the commit");
      });
      assert.equal(await jobs(`${driver}-commit`), 1);
      assert.equal(await notes(), 1);
    });

    test("a rollback leaves neither", async () => {
      const change = new Error("changed my mind");
      const turned = within(async (tx, note) => {
        await note(`${driver} rollback`);
        await enqueue(tx, "enrich_person", { lead_id: 2 }, { team, uniqueKey: `${driver}-rollback` });
        throw change;
      });
      await assert.rejects(turned, change);
      assert.equal(await jobs(`${driver}-rollback`), 0);
      assert.equal(await notes(), 1);
    });

    test("200 callers with one key get one job", async () => {
      const found = new Set<string>();
      let first = 0;
      await Promise.all(
        Array.from({ length: 200 }, () =>
          within(async (tx) => {
            const job = await enqueue(tx, "enrich_person", { lead_id: 3 }, { team, uniqueKey: `${driver}-200` });
            found.add(job.jobId);
            if (!job.deduplicated) first++;
          }),
        ),
      );
      assert.equal(found.size, 1);
      assert.equal(first, 1);
      assert.equal(await jobs(`${driver}-200`), 1);
    });

    test("every option reaches the queue", async () => {
      let id = "";
      await within(async (tx) => {
        const parent = await enqueue(tx, "refresh_tags", {}, { team });
        const { jobId } = await enqueue(tx, "enrich_person", { lead_id: 4 }, {
          team,
          uniqueKey: `${driver}-options`,
          keyScope: "unfinished",
          onConflict: "replace",
          keyLifetime: "2 days",
          runAt: new Date(Date.now() + 3_600_000),
          priority: 7,
          correlationId: "request 1",
          parent: parent.jobId,
          limitKey: "vendor",
          limitTo: 3,
          chain: [{ kind: "refresh_tags", payload: {}, limitKey: "tags" }],
        });
        id = jobId.slice("job_".length);
      });
      const { rows } = await reader.query(
        "select priority, correlation_id, limit_key, limit_to, chain, (select run_at > now() + interval '59 minutes' from queue.scheduled s where s.job_id = j.id) as later from queue.jobs j where id = $1", [id]);
      assert.deepEqual({ ...rows[0], chain: rows[0].chain[0].kind }, {
        priority: 7, correlation_id: "request 1", limit_key: "vendor", limit_to: 3, chain: "refresh_tags", later: true,
      });
    });

    test("many are answered one by one, and a bad one harms no other", async () => {
      await within(async (tx) => {
        const results = await enqueueMany(tx, "enrich_person", [
          { payload: { lead_id: 5 }, uniqueKey: `${driver}-many` },
          { payload: { lead_id: 5 }, uniqueKey: `${driver}-many` },
          { payload: { lead_id: "six" as unknown as number } },
          { payload: { lead_id: 7 }, runAt: new Date(Date.now() + 60_000), priority: 1 },
        ], { team });
        const [one, same, wrong, later] = results;
        assert.equal(one?.deduplicated, false);
        assert.deepEqual(same, { ...one, deduplicated: true });
        assert.equal(wrong?.error?.code, "LS002");
        assert.equal(wrong?.error?.field, "payload.lead_id");
        assert.match(later?.jobId ?? "", /^job_\d+$/);
      });
      await within(async (tx) => assert.deepEqual(await enqueueMany(tx, "enrich_person", [], { team }), []));
    });

    test("a refusal says which field, and what to do", async () => {
      const wrong = within(async (tx) => {
        await enqueue(tx, "enrich_person", { lead: 1 } as unknown as { lead_id: number }, { team });
      });
      await assert.rejects(wrong, (error) => {
        assert(error instanceof EnqueueError, String(error));
        assert.equal(error.code, "LS002");
        assert.match(error.field ?? "", /^payload\./);
        assert((error.hint ?? "").length > 0, "a hint");
        return true;
      });
      const id = within(async (tx) => void (await enqueue(tx, "refresh_tags", {}, { team, parent: "job_1; drop" })));
      await assert.rejects(id, TypeError);
    });
  });
}

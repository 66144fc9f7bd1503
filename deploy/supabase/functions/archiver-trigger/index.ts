// An HTTP trigger for the nightly run, for whoever has the shared secret: a scheduler elsewhere, a button, a person with curl.
//
//   supabase secrets set ARCHIVER_TRIGGER_SECRET="$(openssl rand -hex 32)"
//   supabase functions deploy archiver-trigger --no-verify-jwt
//   curl -X POST -H "Authorization: Bearer $SECRET" https://<ref>.supabase.co/functions/v1/archiver-trigger
//
//   POST  asks for today's night: 202 {"asked": true}, or {"asked": false} where it had been asked already
//   GET   how things stand: the last request and the anchor's age. No personal data
//
// It only asks. Exporting needs minutes, memory and the signing key, none of which a function has or should have: the worker asks
// `archiver run nightly --if-asked` every five minutes. Where nothing does, DISPATCH_URL is called as well, with DISPATCH_TOKEN as
// bearer token and DISPATCH_BODY as body: GitHub's repository_dispatch, or a Kubernetes Job behind a gateway.

const SECRET_LENGTH_MIN = 32;
const TIMEOUT_MS = 20_000;

function answer(status: number, body: Record<string, unknown>, headers: Record<string, string> = {}): Response {
  return new Response(JSON.stringify(body), {
    status,
    headers: { "content-type": "application/json", "cache-control": "no-store", ...headers },
  });
}

/** Compares digests byte by byte to the end, so that the time taken says nothing about the secret, not even its length. */
async function same(given: string, expected: string): Promise<boolean> {
  const encoder = new TextEncoder();
  const [a, b] = await Promise.all(
    [given, expected].map(async (text) => new Uint8Array(await crypto.subtle.digest("SHA-256", encoder.encode(text)))),
  );
  let difference = 0;
  for (let i = 0; i < a.length; i++) difference |= a[i] ^ b[i];
  return difference === 0;
}

async function call(name: string, body: Record<string, unknown>): Promise<unknown> {
  const url = Deno.env.get("SUPABASE_URL");
  const key = Deno.env.get("ARCHIVER_SECRET_KEY") ?? Deno.env.get("SUPABASE_SERVICE_ROLE_KEY");
  if (!url || !key) throw new Error("SUPABASE_URL or the secret key is not set");
  const said = await fetch(`${url}/rest/v1/rpc/${name}`, {
    method: "POST",
    headers: { apikey: key, authorization: `Bearer ${key}`, "content-type": "application/json" },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  if (!said.ok) {
    await said.body?.cancel();
    throw new Error(`${name} answered ${said.status}`);
  }
  return await said.json();
}

async function dispatch(): Promise<number | undefined> {
  const url = Deno.env.get("DISPATCH_URL");
  if (!url) return undefined;
  const said = await fetch(url, {
    method: "POST",
    headers: {
      authorization: `Bearer ${Deno.env.get("DISPATCH_TOKEN") ?? ""}`,
      "content-type": "application/json",
      accept: "application/json",
    },
    body: Deno.env.get("DISPATCH_BODY") ?? '{"event_type":"archiver-nightly"}',
    redirect: "error", // the token goes nowhere else
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  await said.body?.cancel();
  return said.status;
}

Deno.serve(async (request: Request): Promise<Response> => {
  if (request.method !== "POST" && request.method !== "GET") {
    return answer(405, { error: "POST asks for a run, GET says how things stand" }, { allow: "GET, POST" });
  }
  const secret = Deno.env.get("ARCHIVER_TRIGGER_SECRET") ?? "";
  if (secret.length < SECRET_LENGTH_MIN) {
    console.error(`ARCHIVER_TRIGGER_SECRET is not set, or shorter than ${SECRET_LENGTH_MIN} characters: nobody is let in`);
    return answer(503, { error: "not configured" });
  }
  const given = request.headers.get("authorization") ?? "";
  if (!given.startsWith("Bearer ") || !(await same(given.slice("Bearer ".length), secret))) {
    return answer(401, { error: "wrong or missing secret; nothing was asked" }, { "www-authenticate": "Bearer" });
  }
  try {
    if (request.method === "GET") {
      return answer(200, (await call("archiver_run_status", {})) as Record<string, unknown>);
    }
    const asked = await call("archiver_request_run", { asked_by: "http" });
    // Once for a request: whoever asks twice must not start two runs elsewhere.
    const dispatched = asked === true ? await dispatch() : undefined;
    if (dispatched !== undefined && (dispatched < 200 || dispatched > 299)) {
      console.error(`DISPATCH_URL answered ${dispatched}`);
      return answer(502, { asked, dispatched, error: "the run was asked for; calling DISPATCH_URL failed" });
    }
    return answer(202, { asked, ...(dispatched === undefined ? {} : { dispatched }) });
  } catch (problem) {
    console.error(problem instanceof Error ? problem.message : "unexpected");
    return answer(502, { error: "no answer from the database, or a bad one; asking again is harmless" });
  }
});

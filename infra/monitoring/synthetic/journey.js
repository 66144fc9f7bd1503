// One visitor's way through the application, twenty times: jobs/synthetic starts it every ten minutes. Steps and limits are in
// journey.json. The summary becomes metrics in the node exporter's textfile directory.
//
//   SYNTHETIC_URL      the application, without a slash at the end
//   SYNTHETIC_SUMMARY  the file to write; without it, standard output
//
// A bounded load: one visitor, one request at a time, 60 requests in a run.
import { check } from "k6";
import http from "k6/http";
import { Rate, Trend } from "k6/metrics";

const journey = JSON.parse(open("./journey.json"));
const target = __ENV.SYNTHETIC_URL || "https://whatsapp.owona.de";

// Only what was answered as expected counts: an error comes back faster than any page, and would look like speed.
const took = new Trend("journey_duration", true);
// By step, so that one step that always fails is not hidden by two that never do.
const failed = new Rate("journey_failed");

const thresholds = {};
for (const s of journey.steps) {
  thresholds[`journey_duration{step:${s.step}}`] = [
    `p(95)<=${s.p95_seconds * 1000}`,
    `p(99)<=${s.p99_seconds * 1000}`,
  ];
  thresholds[`journey_failed{step:${s.step}}`] = [`rate<=${journey.failed_checks_ratio_max}`];
}

export const options = {
  scenarios: {
    journey: { executor: "per-vu-iterations", vus: 1, iterations: 20, maxDuration: "5m", gracefulStop: "10s" },
  },
  thresholds,
  summaryTrendStats: ["p(95)", "p(99)", "count"],
  userAgent: "archiver-synthetic/1",
};

export default function () {
  for (const s of journey.steps) {
    const answer = http.get(target + s.path, {
      // Told apart in logs, and by an application that counts its visitors.
      headers: { "x-synthetic": "1" },
      timeout: "10s",
      redirects: 0,
      responseCallback: http.expectedStatuses(s.status),
      tags: { step: s.step },
    });
    const expected = check(
      answer,
      { expected: (r) => r.status === s.status && (r.body || "").includes(s.contains) },
      { step: s.step },
    );
    failed.add(!expected, { step: s.step });
    if (expected) took.add(answer.timings.duration, { step: s.step });
  }
}

const families = {
  synthetic_duration_seconds: "Percentile of the expected answers of the last run",
  synthetic_limit_seconds: "Limit of that percentile, from journey.json",
  synthetic_requests: "Requests of the last run",
  synthetic_failed_ratio: "Share of the last run's requests that were not answered as expected",
  synthetic_limit_failed_ratio: "Limit of that share, from journey.json",
  synthetic_last_run_timestamp_seconds: "When the last run ended",
};

export function handleSummary(data) {
  const lines = Object.fromEntries(Object.keys(families).map((name) => [name, []]));
  const put = (name, labels, value) => lines[name].push(`${name}${labels} ${value}`);
  for (const s of journey.steps) {
    const trend = data.metrics[`journey_duration{step:${s.step}}`]?.values;
    const rate = data.metrics[`journey_failed{step:${s.step}}`]?.values;
    for (const [percentile, stat, limit] of [["p95", "p(95)", s.p95_seconds], ["p99", "p(99)", s.p99_seconds]]) {
      const labels = `{step="${s.step}",percentile="${percentile}"}`;
      // Of no answers there is no percentile. k6 would say 0.
      if (trend?.count > 0) put("synthetic_duration_seconds", labels, trend[stat] / 1000);
      put("synthetic_limit_seconds", labels, limit);
    }
    const requests = rate ? rate.passes + rate.fails : 0;
    put("synthetic_requests", `{step="${s.step}"}`, requests);
    if (requests > 0) put("synthetic_failed_ratio", `{step="${s.step}"}`, rate.rate);
  }
  put("synthetic_limit_failed_ratio", "", journey.failed_checks_ratio_max);
  put("synthetic_last_run_timestamp_seconds", "", Date.now() / 1000);
  const text = Object.entries(families)
    .filter(([name]) => lines[name].length > 0)
    .map(([name, help]) => `# HELP ${name} ${help}\n# TYPE ${name} gauge\n${lines[name].join("\n")}\n`)
    .join("");
  return { [__ENV.SYNTHETIC_SUMMARY || "stdout"]: text };
}

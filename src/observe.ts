import { durationMs } from "@bufbuild/protobuf/wkt";
import { type ComponentHealth, Verdict } from "../gen/centralhub/health/v1/health_pb.ts";
import type { LiveConfig } from "./config/live-config.ts";
import type { ConfigWatch } from "./config/watch.ts";
import { formatFinding } from "./documents/findings.ts";
import type { ComponentBoard } from "./health/component-board.ts";
import type { Lifecycle } from "./lifecycle.ts";
import type { Logger } from "./telemetry/logger.ts";
import type { Metrics, Sample } from "./telemetry/metrics.ts";

/** What the log and the snapshots do, for watchers, metrics and the hub's own log. */
export function observe(parts: {
  live: LiveConfig;
  watch: ConfigWatch;
  metrics: Metrics;
  logger: Logger;
  lifecycle: Lifecycle;
}): void {
  const { live, watch, metrics, logger, lifecycle } = parts;
  metrics.revision(live.manager.snapshot.revision);
  metrics.gauge("hub_watchers", "Open watches.", () => watch.watchers);
  metrics.gauge("hub_revision_log_reachable", "1 when the revision log can be written to.", () =>
    Number(live.log.status.reachable),
  );
  metrics.gauge(
    "hub_documents_in_trouble",
    "Sources of documents that are not fit to be served.",
    () => live.troubles.length,
  );
  const stopSnapshots = live.onSnapshot((snapshot) => {
    watch.push(snapshot);
    metrics.revision(snapshot.revision);
    logger.info({ revision: String(snapshot.revision) }, "the hub serves a new revision");
  });
  const stopTroubles = live.onTrouble(({ source, findings }) => {
    logger.error(
      { source, findings: findings.map(formatFinding) },
      "documents are not fit to be served; the last good ones are",
    );
  });
  const stopStatus = live.log.onStatus((status) => {
    if (status.reachable) logger.info({}, "the revision log is back");
    else
      logger.error(
        { reason: status.reason },
        "the revision log is out of reach; the last revision is served",
      );
  });
  lifecycle.defer(() => {
    stopSnapshots();
    stopTroubles();
    stopStatus();
  });
}

/** How components are, for metrics and the hub's own log. */
export function observeComponents(components: ComponentBoard, metrics: Metrics, logger: Logger): void {
  components.onVerdict(({ name, kind, verdict, reason, impairedServices: impaired, address }) => {
    const fields = { component: name, kind, reason, address, impaired };
    if (verdict === Verdict.WRONG) logger.error(fields, "a component is wrong");
    else if (verdict === Verdict.UNKNOWN) logger.warn(fields, "nothing is known of a component");
    else if (verdict === Verdict.OK) logger.info(fields, "a component is ok");
    else logger.info(fields, "a component is not configured");
  });
  const configured = (): ComponentHealth[] =>
    [...components.components().values()].filter(({ verdict }) => verdict !== Verdict.NOT_CONFIGURED);
  const samples = (value: (component: ComponentHealth) => number | undefined): Sample[] =>
    configured().flatMap((component) => {
      const { name, kind } = component;
      const measured = value(component);
      return measured === undefined ? [] : [{ labels: { component: name, kind }, value: measured }];
    });
  const labels = ["component", "kind"];
  const up = "1 when a component is OK, 0 when it is WRONG or UNKNOWN; without it: not configured.";
  metrics.gauges("hub_component_up", up, labels, () =>
    samples(({ verdict }) => Number(verdict === Verdict.OK)),
  );
  const time = "What the last look at a component took.";
  metrics.gauges("hub_component_probe_seconds", time, labels, () =>
    samples(({ latency }) => latency && durationMs(latency) / 1000),
  );
}

import { INFRASTRUCTURE, ROUTES, type Row } from "./row.ts";

export const PLATFORM_ROWS: readonly Row[] = [
  {
    fault: "a name that is a component and a service",
    edits: [[INFRASTRUCTURE, "\nservices:\n", "\nservices:\n  kafka:\n    description: twice\n"]],
    rule: "infrastructure.name_twice",
    path: "services.kafka",
    at: "  kafka:\n    description: twice",
  },
  {
    fault: "a dependency on what is not there",
    edits: [[INFRASTRUCTURE, "depends_on: [kafka, mt5-connector]", "depends_on: [kafka, mt5]"]],
    rule: "infrastructure.dependency",
    path: "services.risk-monitor.depends_on[1]",
    at: "[kafka, mt5]",
  },
  {
    fault: "a service that depends on itself",
    edits: [[INFRASTRUCTURE, "depends_on: [nats]", "depends_on: [nats, live-collector]"]],
    rule: "infrastructure.cycle",
    path: "services.live-collector.depends_on",
    at: "[nats, live-collector]",
  },
  {
    fault: "services that depend on each other",
    edits: [[INFRASTRUCTURE, "depends_on: []", "depends_on: [central-hub-console]"]],
    rule: "infrastructure.cycle",
    path: "services.central-hub.depends_on",
    at: "[central-hub-console]",
    also: ["infrastructure.cycle"],
  },
  {
    fault: "an event type of two data types",
    edits: [[ROUTES, "- backtest_cancelled", "- login # again"]],
    rule: "routes.event_type",
    path: "data_types.backtests.event_types[4]",
    at: "# again",
  },
  {
    fault: "a table of two data types",
    edits: [[ROUTES, "table: user_backtests", "table: user_auth # again"]],
    rule: "routes.table",
    path: "data_types.backtests.table",
    at: "# again",
  },
  {
    fault: "a route to a topic that no version declares",
    edits: [[ROUTES, "topic: user.backtests", "topic: user.backtest # here"]],
    rule: "routes.topic",
    path: "data_types.backtests.topic",
    at: "# here",
  },
  {
    fault: "a topic for the latest state that is not compacted",
    edits: [[ROUTES, "topic: user.backtests", "topic: user.backtests\n    state_topic: user.trades # here"]],
    rule: "routes.state_topic",
    path: "data_types.backtests.state_topic",
    at: "# here",
  },
  {
    fault: "a topic for the latest state that no version declares",
    edits: [[ROUTES, "topic: user.backtests", "topic: user.backtests\n    state_topic: user.state # here"]],
    rule: "routes.state_topic",
    path: "data_types.backtests.state_topic",
    at: "# here",
  },
  {
    fault: "a topic for the latest state that the events go to as well",
    edits: [
      [
        ROUTES,
        "topic: user.settings.events\n    state_topic: user.settings",
        "topic: user.settings\n    state_topic: user.settings # here",
      ],
    ],
    rule: "routes.state_topic",
    path: "data_types.settings.state_topic",
    at: "# here",
  },
  {
    fault: "a route with a class that is not there",
    edits: [[ROUTES, "retention_class: thirty_days", "retention_class: constructor"]],
    rule: "routes.retention_class",
    path: "data_types.mt5_status.retention_class",
    at: "retention_class: constructor",
  },
];

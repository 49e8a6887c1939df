import { NATS, type Row } from "./row.ts";

const SIGNALS = '"subjects": ["signals.>"]';
const SIGNAL_LIMITS = '"max_age": 3600000,\n      "max_msgs": 1000000,\n      "storage": "memory",';
const PUBLISH = '"publish": ["market.>", "signals.>"]';
const SUBSCRIBE = '"subscribe": ["market.>", "signals.>"]';
const INDICATOR = '"pattern": "indicators.{type}.{symbol}"';

export const NATS_ROWS: readonly Row[] = [
  {
    fault: "a placeholder's example that is not one of its values",
    edits: [[NATS, '"example": "5m"', '"example": "2m"']],
    rule: "nats.placeholder_example",
    path: "placeholders.timeframe.example",
    at: '"example": "2m"',
  },
  {
    fault: "a placeholder's example that is not one token",
    edits: [[NATS, '"example": "scalping"', '"example": "scalping.fast"']],
    rule: "nats.placeholder_token",
    path: "placeholders.strategy",
    at: '"strategy": {',
  },
  {
    fault: "a pattern with a wildcard",
    edits: [[NATS, INDICATOR, '"pattern": "indicators.{type}.*"']],
    rule: "nats.pattern",
    path: "subjects.indicators.value.pattern",
    at: '"indicators.{type}.*"',
  },
  {
    fault: "a pattern with a placeholder that is no whole token",
    edits: [[NATS, INDICATOR, '"pattern": "indicators.{type}.fx-{symbol}"']],
    rule: "nats.pattern",
    path: "subjects.indicators.value.pattern",
    at: ".fx-{symbol}",
  },
  {
    fault: "a placeholder that is not declared",
    edits: [[NATS, INDICATOR, '"pattern": "indicators.{kind}.{symbol}"']],
    rule: "nats.placeholder_unknown",
    path: "subjects.indicators.value.pattern",
    at: "{kind}",
  },
  {
    fault: "an example that its pattern does not match",
    edits: [[NATS, '"example": "indicators.rsi.EURUSD"', '"example": "indicators.rsi"']],
    rule: "nats.example",
    path: "subjects.indicators.value.example",
    at: '"indicators.rsi"',
  },
  {
    fault: "an example with a value that its placeholder does not allow",
    edits: [[NATS, '"example": "market.EURUSD.5m"', '"example": "market.EURUSD.7m"']],
    rule: "nats.example",
    path: "subjects.market_data.candle.example",
    at: "EURUSD.7m",
  },
  {
    fault: "two patterns that one subject can belong to",
    edits: [[NATS, '"reserved": ["alerts"]', '"reserved": ["alarms"]']],
    rule: "nats.pattern_overlap",
    path: "subjects.signals.alert.pattern",
    at: '"signals.alerts.{type}"',
  },
  {
    fault: "a stream's subject that NATS does not take",
    edits: [[NATS, SIGNALS, '"subjects": ["signals.>.x"]']],
    rule: "nats.stream_subject",
    path: "streams.signals_stream.subjects[0]",
    at: "signals.>.x",
  },
  {
    fault: "a subject that two streams store",
    edits: [[NATS, SIGNALS, '"subjects": [\n"signals.>",\n"market.EURUSD.tick"]']],
    rule: "nats.stream_overlap",
    path: "streams.signals_stream.subjects[1]",
    at: '"market.EURUSD.tick"]',
  },
  {
    fault: "a stream's subject that nothing declares",
    edits: [[NATS, SIGNALS, '"subjects": [\n"signals.>",\n"orders.>"]']],
    rule: "nats.stream_undeclared",
    path: "streams.signals_stream.subjects[1]",
    at: "orders.>",
  },
  {
    fault: "a stream that stores requests",
    edits: [[NATS, SIGNALS, '"subjects": [\n"signals.>",\n"market.*.price"]']],
    rule: "nats.stream_request",
    path: "streams.signals_stream.subjects[1]",
    at: '"market.*.price"]',
  },
  {
    fault: "a stream in memory without a limit",
    edits: [[NATS, SIGNAL_LIMITS, '"storage": "memory",']],
    rule: "nats.stream_unbounded",
    path: "streams.signals_stream",
    at: '"signals_stream": {',
  },
  {
    fault: "a window for duplicates that is longer than messages live",
    edits: [[NATS, SIGNAL_LIMITS, `${SIGNAL_LIMITS}\n"duplicate_window": 3600001,`]],
    rule: "nats.stream_duplicates",
    path: "streams.signals_stream.duplicate_window",
    at: '"duplicate_window"',
  },
  {
    fault: "a work queue that does not acknowledge",
    edits: [
      [
        NATS,
        `${SIGNAL_LIMITS}\n      "retention": "limits",`,
        `${SIGNAL_LIMITS}\n      "retention": "workqueue",\n"no_ack": true,`,
      ],
    ],
    rule: "nats.stream_workqueue",
    severity: "WARN",
    path: "streams.signals_stream.no_ack",
    at: '"no_ack": true',
  },
  {
    fault: "permissions of a service that is not one of the platform's",
    edits: [[NATS, '"live-collector": {', '"live-colector": {']],
    rule: "nats.permission_service",
    path: "permissions.live-colector",
    at: '"live-colector": {',
  },
  {
    fault: "a permission for a subject that NATS does not take",
    edits: [[NATS, PUBLISH, '"publish": ["market.>", "signals.>x"]']],
    rule: "nats.permission_subject",
    path: "permissions.live-collector.publish[1]",
    at: "signals.>x",
  },
  {
    fault: "a permission for a subject that nothing declares",
    edits: [[NATS, PUBLISH, '"publish": ["market.>", "orders.>"]']],
    rule: "nats.permission_undeclared",
    path: "permissions.live-collector.publish[1]",
    at: "orders.>",
  },
  {
    fault: "a permission that a denial takes away wholly",
    edits: [[NATS, PUBLISH, `${PUBLISH},\n"deny_publish": [">"]`]],
    rule: "nats.permission_denied",
    path: "permissions.live-collector.publish[0]",
    at: PUBLISH,
    also: ["nats.permission_denied"],
  },
  {
    fault: "a permission that another one already gives",
    edits: [[NATS, PUBLISH, '"publish": ["market.>", "market.*.tick"]']],
    rule: "nats.permission_redundant",
    severity: "WARN",
    path: "permissions.live-collector.publish[1]",
    at: '"market.*.tick"]',
  },
  {
    fault: "a subscription by which more can be had than it says",
    edits: [
      [NATS, INDICATOR, '"pattern": "indicators.{type}.{symbol}.{timeframe}"'],
      [NATS, '"example": "indicators.rsi.EURUSD"', '"example": "indicators.rsi.EURUSD.5m"'],
      [NATS, SUBSCRIBE, '"subscribe": ["*.*.*"]'],
    ],
    rule: "nats.permission_reach",
    severity: "WARN",
    path: "permissions.data-bridge.subscribe[0]",
    at: '"*.*.*"',
  },
];

/**
 * Unit prices in US dollars, without a free tier and without tax: the public list prices of eu-central-1 (Frankfurt), as
 * they were known on 2026-11-30. Compare them with the price pages of AWS when you change one, and change the date.
 */
export const prices = {
  date: '2026-11-30',
  region: 'eu-central-1',
  lambda: { gbSecondArm64: 0.0000133334, request: 0.2 / 1e6 },
  sqs: { fifoRequest: 0.5 / 1e6, standardRequest: 0.4 / 1e6 },
  eventBridge: { customEvent: 1 / 1e6 },
  cloudWatch: { metricMonth: 0.3, alarmMonth: 0.1, dashboardMonthBeyondThree: 3, logGigabyte: 0.63 },
  secretsManager: { secretMonth: 0.4, call: 0.05 / 10_000 },
  /** What the operator needs and does not make. Hours of one, in one availability zone where it says so. */
  beside: {
    eksClusterHour: 0.1,
    /** db.t4g.micro with Postgres, one zone, without its storage. */
    rdsMicroHour: 0.018,
    /** Without the data that it moves. */
    natGatewayHour: 0.052,
    /** In one zone. */
    interfaceEndpointHour: 0.012,
  },
} as const

/** A host of RDS or Aurora: `<name>.<account's part>.<region>.rds.amazonaws.com`, in China with `.cn`. */
const rdsHost = /^(.+)\.([a-z]{2}(?:-[a-z]+)+-\d)\.rds\.amazonaws\.com(\.cn)?$/

/** Whether every server under this host name accepts TLS. */
export function isRdsHost(host: string): boolean {
  return rdsHost.test(host)
}

/** Returns the region in the name of a host of RDS. */
export function rdsRegion(host: string): string | undefined {
  return host.match(rdsHost)?.[2]
}

import { annotations } from '../../crd/group.ts'
import { holderOf, type Lease } from './record.ts'

/** Who leads, as the Lease says. What it does not say is absent. */
export interface LeaseSummary {
  holder?: string
  /** Since when, in RFC 3339. */
  since?: string
  /** When it was renewed last, in RFC 3339. */
  renewed?: string
  /** Version of the holder. */
  version?: string
  /** The installation that owns the cluster. */
  stack?: string
  /** When the holder was deployed, in RFC 3339. */
  deployedAt?: string
}

export function summaryOf(lease: Lease): LeaseSummary
export function summaryOf(lease: Lease | undefined): LeaseSummary | undefined
export function summaryOf(lease: Lease | undefined): LeaseSummary | undefined {
  if (lease === undefined) return undefined
  const { spec, metadata } = lease
  const holder = holderOf(lease)
  const said = metadata.annotations ?? {}
  return withoutAbsent({
    holder: holder === '' ? undefined : holder,
    since: spec?.acquireTime,
    renewed: spec?.renewTime,
    version: said[annotations.version],
    stack: said[annotations.stack],
    deployedAt: said[annotations.deployedAt],
  })
}

function withoutAbsent(summary: { [K in keyof LeaseSummary]-?: string | undefined }): LeaseSummary {
  return Object.fromEntries(Object.entries(summary).filter(([, value]) => value !== undefined))
}

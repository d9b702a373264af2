/** What `status.configuration` records: the operator's settings that the children of an instance were built with. */
export interface RecordedConfiguration {
  /** Hash of the settings, see `configurationOf`. */
  settings: string
  /** Hash of the keys of flags; `noKeys` if no child depends on them. */
  keys: string
  /** The instance served when it took the settings up. Only such an instance can hold their roll-out. */
  served: boolean
}

/** Stands for the hash of keys on which nothing depends. */
export const noKeys = '-'

const servedMark = 'served'

/** The record as one string of at most 40 characters, for a status. */
export function configurationText({ settings, keys, served }: RecordedConfiguration): string {
  return [settings, keys, ...(served ? [servedMark] : [])].join('.')
}

/** @returns undefined for an instance of an earlier release, which has no record yet */
export function recordedConfiguration(text: string | undefined): RecordedConfiguration | undefined {
  const [settings, keys, mark] = text?.split('.') ?? []
  if (!settings || !keys) return undefined
  return { settings, keys, served: mark === servedMark }
}

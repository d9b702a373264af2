import type { Finding } from './check.ts'

/** The source of the event with which `doctor` asks a deployed function what it reaches. */
export const examinationSource = 'challenge-operator.doctor'

/** ResourceAttributes of a SubjectAccessReview: one right in the cluster. */
export interface ResourceAttributes {
  verb: string
  group: string
  resource: string
  subresource?: string
  name?: string
  namespace?: string
}

/** The event. The function knows neither the roles in `manifests/` nor the migrations, so they come with it. */
export interface ExaminationRequest {
  source: typeof examinationSource
  /** The rights in the cluster that the function needs. Absent: they are not asked for. */
  rights?: ResourceAttributes[]
  /** The name of the newest migration. */
  newestMigration?: string
}

export interface ExaminedLine {
  /** What was examined: cluster, schema, rights, lease, queue, database, keys or event bus. */
  part: string
  finding: Finding
}

export interface ExaminationAnswer {
  /** The version of the function. */
  version: string
  lines: ExaminedLine[]
}

export function isExamination(event: unknown): event is ExaminationRequest {
  return (event as { source?: unknown } | null)?.source === examinationSource
}

import { remember } from '../../bounded-cache.ts'
import type { OperatorConfig } from '../../config/operator.ts'
import type { ChallengeTemplate } from '../../crd/challenge-template.ts'
import type { Stored } from '../../crd/objects.ts'
import { templateMessage } from '../../desired/template-message.ts'
import type { Cluster } from '../../kubernetes/cluster.ts'
import type { Log } from '../../telemetry/log.ts'

/**
 * Writes what `templateMessage` says into the status of a template that instances use. Most templates have no message and
 * no status, and cost no call.
 */
export type ReportTemplate = (template: Stored<ChallengeTemplate>, signal: AbortSignal) => Promise<void>

/** The most templates that are remembered. */
const memoryLimit = 1_000

/**
 * A process writes the same message of a template once: passes of many instances read the template before the first of
 * them has written. A write that fails is logged and does not concern the instance.
 */
export function createReportTemplate({
  cluster,
  config,
  log,
}: {
  cluster: Cluster
  config: Pick<OperatorConfig, 'clusterCidrs'>
  log: Log
}): ReportTemplate {
  const written = new Map<string, string>()
  return async (template, signal) => {
    const { name, namespace, uid, generation } = template.metadata
    const message = templateMessage(template.spec, config)
    if (message === template.status?.message) return
    const attempt = `${generation} ${message}`
    if (written.get(uid) === attempt) return
    remember(written, memoryLimit, uid, attempt)
    try {
      const { message: _former, ...others } = template.status ?? {}
      await cluster.putStatus({ ...template, status: { ...others, ...(message && { message }) } }, signal)
    } catch (error) {
      written.delete(uid)
      log.warn('status of a template not written', { namespace, name, error })
    }
  }
}

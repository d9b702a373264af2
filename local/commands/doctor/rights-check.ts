import type { WatchedNamespaces } from '../../../lib/crd/namespaces.ts'
import type { Check, Finding } from '../../../lib/doctor/check.ts'
import { OperatorError } from '../../../lib/errors.ts'
import type { KubernetesClient } from '../../../lib/kubernetes/client/http.ts'
import { listedRights } from '../../../lib/kubernetes/install/access-review.ts'
import {
  type Account,
  accountsOf,
  functionsWithRights,
  ownName,
} from '../../../lib/kubernetes/install/accounts.ts'
import { type RightsAnswer, rightsMissing } from '../../../lib/kubernetes/install/rights.ts'
import { reachCluster } from './check.ts'

const remedy =
  'apply manifests/rbac/, and manifests/placements/ where OPERATOR_PLACEMENTS allows Event or Instance, and bind each ' +
  'role to the account of its function'

/** Where the operator reads instances, and whether their workloads may be placed in other namespaces. */
export interface CheckedScope {
  namespaces: WatchedNamespaces
  everywhere: boolean
}

/** Milliseconds. Some two hundred questions for each namespace, a hundred a second. */
const limitMs = 60_000

/**
 * Checks the accounts of the functions. If they have no right at all, they are not set up, and the user's own rights are
 * checked, with which `npm start` and `forward` work. The same holds if the user may not ask about other accounts.
 */
export function rightsCheck(client: KubernetesClient, scope: CheckedScope): Check {
  return {
    name: 'rights',
    needs: 'cluster',
    remedy: reachCluster,
    limitMs,
    async look(signal) {
      const ownFinding = () => findingOfOwn(client, scope, signal)
      let answers: AccountAnswer[]
      try {
        answers = await answersOf(client, scope, signal)
      } catch (thrown) {
        if (!(thrown instanceof OperatorError) || thrown.reason !== 'Forbidden') throw thrown
        const why = 'this user may not ask about other accounts (create subjectaccessreviews)'
        return [{ note: `the accounts of the functions were not checked: ${why}` }, await ownFinding()]
      }
      if (answers.some(({ missing, asked }) => missing.length < asked)) return answers.map(findingOf)
      const groups = functionsWithRights.map(name => `challenge-operator:${name}`).join(', ')
      const text =
        `the accounts of the functions have no rights (groups ${groups}). npm start and forward need none, because ` +
        'they work as this user. Before you deploy the functions, apply manifests/rbac/'
      return [{ note: text }, await ownFinding()]
    },
  }
}

interface AccountAnswer extends RightsAnswer {
  functionName: string
  account: Account
}

/** For each function the account that has most of its rights. */
async function answersOf(
  client: KubernetesClient,
  scope: CheckedScope,
  signal: AbortSignal,
): Promise<AccountAnswer[]> {
  const answers: AccountAnswer[] = []
  for (const functionName of functionsWithRights) {
    let best: AccountAnswer | undefined
    for (const account of accountsOf(functionName, scope.namespaces)) {
      const answer = await rightsMissing(client, { ...scope, account, functionName }, signal)
      if (best === undefined || answer.missing.length < best.missing.length)
        best = { ...answer, functionName, account }
      if (best.missing.length === 0) break
    }
    if (best) answers.push(best)
  }
  return answers
}

function findingOf({ functionName, account, missing, asked }: AccountAnswer): Finding {
  const who = `${functionName}: ${account.label}`
  if (missing.length === 0) return { fine: `${who} may do everything that it does` }
  const what = missing.length === asked ? 'has no rights' : `may not: ${listedRights(missing)}`
  return { problem: `${who} ${what}`, remedy }
}

async function findingOfOwn(
  client: KubernetesClient,
  scope: CheckedScope,
  signal: AbortSignal,
): Promise<Finding> {
  const [name, { missing }] = await Promise.all([
    ownName(client, signal),
    rightsMissing(client, scope, signal),
  ])
  const who = name === undefined ? 'this user' : `this user, ${name},`
  return missing.length === 0
    ? { fine: `${who} may do everything that the functions do` }
    : { problem: `${who} may not: ${listedRights(missing)}`, remedy }
}

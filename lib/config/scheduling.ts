import type { Variables } from './section.ts'

/** Tolerates the taints with this key, of one value and one effect where they are named. */
export interface Toleration {
  key: string
  operator: 'Equal' | 'Exists'
  value?: string
  effect?: 'NoSchedule' | 'PreferNoSchedule' | 'NoExecute'
}

/** What every pod of an instance says about where it runs. */
export interface Scheduling {
  priorityClassName: string | undefined
  nodeSelector: Readonly<Record<string, string>> | undefined
  tolerations: readonly Toleration[]
}

const className = /^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/
const labelName = String.raw`(?:[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?\/)?[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?`
const labelValue = '(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?'
const label = new RegExp(`^(${labelName})=(${labelValue})$`)
const taint = new RegExp(`^(${labelName})(?:=(${labelValue}))?(?::(NoSchedule|PreferNoSchedule|NoExecute))?$`)

/** Reads the variables in the notations of `kubectl get --selector` and `kubectl taint`. */
export function scheduling(variables: Variables): Scheduling {
  return {
    priorityClassName: variables.matching(
      'OPERATOR_PRIORITY_CLASS',
      className,
      'the name of a PriorityClass of the cluster',
    ),
    nodeSelector: nodeSelector(variables),
    tolerations: tolerations(variables),
  }
}

function nodeSelector(variables: Variables): Record<string, string> | undefined {
  const expected = 'a label of nodes as label=value, such as pool=challenges'
  const pairs = (variables.set('OPERATOR_NODE_SELECTOR', label, expected) ?? []).flatMap(text => {
    const [, name, value = ''] = label.exec(text) ?? []
    return name === undefined ? [] : [[name, value] as const]
  })
  const [twice] = pairs.map(([name]) => name).filter((name, index, names) => names.indexOf(name) !== index)
  if (twice !== undefined)
    variables.addProblem(
      `OPERATOR_NODE_SELECTOR has ${twice} with two values, which no node can have; write one`,
    )
  return pairs.length === 0 ? undefined : Object.fromEntries(pairs)
}

function tolerations(variables: Variables): Toleration[] {
  const expected =
    'a taint as key[=value][:effect] with the effect NoSchedule, PreferNoSchedule or NoExecute, such as ctf=challenges:NoSchedule'
  return (variables.set('OPERATOR_TOLERATIONS', taint, expected) ?? []).flatMap(text => {
    const [, key, value, effect] = taint.exec(text) ?? []
    if (key === undefined) return []
    return [
      {
        key,
        ...(value === undefined ? { operator: 'Exists' as const } : { operator: 'Equal' as const, value }),
        ...(effect !== undefined && { effect: effect as NonNullable<Toleration['effect']> }),
      },
    ]
  })
}

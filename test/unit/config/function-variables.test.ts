import { join, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { configurationReference, deployedFunctions } from '../../../lib/config/reference.ts'
import { type Section, Variables } from '../../../lib/config/section.ts'

const root = resolve(import.meta.dirname, '../../..')

describe('the reference of the configuration', () => {
  it.each(deployedFunctions)('names every variable that %s reads', async name => {
    const read = await variablesReadBy(name)
    expect(read).toContain('OPERATOR_NAMESPACE')
    const missing = configurationReference
      .filter(row => read.includes(row.name) && !row.functions.includes(name))
      .map(row => row.name)
    // Only the function that makes flags gets their keys, and only commands act on the registries. Lambda gives the region.
    expect(
      missing.filter(
        each => !/^(FLAG_|KUBECONFIG$|AWS_|OPERATOR_HEALTH_PORT$|OPERATOR_ALLOWED_REGISTRIES$)/.test(each),
      ),
    ).toEqual([])
  })
})

/** Runs the sections of the function, and records what they ask for. */
async function variablesReadBy(name: string): Promise<string[]> {
  const { sections } = (await import(join(root, 'functions', name, 'sections.ts'))) as {
    sections: Record<string, Section<unknown>>
  }
  const read = new Set<string>()
  // With an EKS cluster, as on Lambda.
  const environment = new Proxy<Record<string, string>>(
    { EKS_CLUSTER_NAME: 'ctf' },
    {
      get(target, key) {
        read.add(String(key))
        return target[String(key)]
      },
    },
  )
  for (const section of Object.values(sections)) section(new Variables(environment))
  return [...read]
}

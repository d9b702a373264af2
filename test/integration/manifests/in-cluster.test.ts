import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { runKubectl } from '../../support/kubectl.ts'
import { sharedControlPlane } from '../../support/shared-parts.ts'

const folder = join(import.meta.dirname, '../../../manifests/in-cluster')
const apply = (args: readonly string[], input?: string) =>
  runKubectl(
    sharedControlPlane().kubeconfig,
    ['apply', '--dry-run=server', '--warnings-as-errors', ...args],
    input,
  )

describe('manifests/in-cluster', () => {
  beforeAll(async () => {
    // A dry run makes no namespace for the rest, and Pod Security asks the namespace for its standard.
    const made = await runKubectl(sharedControlPlane().kubeconfig, [
      'apply',
      '-f',
      join(folder, 'namespace.yaml'),
    ])
    expect(made).toMatchObject({ code: 0 })
  })

  it('is taken by an API server without a warning, under the Pod Security standard restricted', async () => {
    const { code, output } = await apply(['-k', folder])
    expect(output).toContain('deployment.apps/challenge-operator created (server dry run)')
    expect(output).toMatch(/^configmap\/challenge-operator-settings-\w+ created/m)
    expect({ code, output }).toEqual({ code: 0, output: expect.not.stringContaining('Warning') })
    expect(await apply(['-k', join(folder, 'elasticmq')])).toMatchObject({ code: 0 })
  })

  it('would be warned of, were its pods less restricted', async () => {
    const { output: manifest } = await runKubectl(sharedControlPlane().kubeconfig, ['kustomize', folder])
    expect(manifest).toContain('allowPrivilegeEscalation: false')
    const loose = manifest.replace('allowPrivilegeEscalation: false', 'allowPrivilegeEscalation: true')
    const { code, output } = await apply(['-f', '-'], loose)
    expect({ code, output }).toEqual({
      code: 1,
      output: expect.stringContaining('would violate PodSecurity'),
    })
  })
})

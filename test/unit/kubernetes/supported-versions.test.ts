import { readFile } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import {
  judgeVersion,
  supportedVersions,
  testedVersions,
} from '../../../lib/kubernetes/supported-versions.ts'
import { chosenKubernetes, kubernetesVersions } from '../../../local/control-plane/recipe.ts'

describe('judgeVersion', () => {
  it.each(['v1.34.10', 'v1.34.1-eks-113cf36', 'v1.36.3'])('finds %s supported and tested', gitVersion => {
    const { supported, sentence } = judgeVersion(gitVersion)
    expect(supported).toBe(true)
    expect(sentence).toMatch(/^Kubernetes 1\.3[46] is supported \(1\.34 to 1\.37\); the tests ran on it$/)
  })

  it('says for a supported version without a test of its own on which the tests ran', () => {
    expect(judgeVersion('v1.35.2-eks-1')).toEqual({
      supported: true,
      sentence: 'Kubernetes 1.35 is supported (1.34 to 1.37); the tests ran on 1.34 and 1.36',
    })
  })

  it.each([
    ['v1.33.9', 'Kubernetes 1.33 is older than what is supported'],
    ['v1.4.0', 'Kubernetes 1.4 is older'],
    ['v1.38.0-alpha.1', 'Kubernetes 1.38 is newer than what is supported'],
    ['main', 'the cluster tells no version'],
    [undefined, 'the cluster tells no version'],
  ])('finds %s unsupported, with a sentence', (gitVersion, sentence) => {
    expect(judgeVersion(gitVersion)).toEqual({
      supported: false,
      sentence: expect.stringContaining(sentence),
    })
  })
})

describe('the versions that can be built for tests', () => {
  it('are those on which the tests ran, and the oldest supported one is among them', () => {
    expect([...kubernetesVersions].sort()).toEqual([...testedVersions].sort())
    expect(kubernetesVersions).toContain(supportedVersions.oldest)
  })

  it('have a script of package.json for the oldest', async () => {
    const { scripts } = JSON.parse(await readFile('package.json', 'utf8'))
    expect(scripts['test:oldest']).toContain(`CHALLENGE_OPERATOR_KUBERNETES=${supportedVersions.oldest} `)
  })

  it('stand with the supported ones in the table of docs/operations.md', async () => {
    const rows = (await readFile('docs/operations.md', 'utf8')).matchAll(/^\| (1\.\d+) \|/gm)
    const documented = Array.from(rows, ([, version]) => version)
    expect(documented[0]).toBe(supportedVersions.oldest)
    expect(documented.at(-1)).toBe(supportedVersions.newest)
  })

  it('are chosen by CHALLENGE_OPERATOR_KUBERNETES, and the embedded one is the default', () => {
    expect(chosenKubernetes({ CHALLENGE_OPERATOR_KUBERNETES: '1.34' })).toBe('1.34')
    expect(chosenKubernetes({})).toBe('1.36')
    expect(chosenKubernetes({ CHALLENGE_OPERATOR_KUBERNETES: '' })).toBe('1.36')
    expect(() => chosenKubernetes({ CHALLENGE_OPERATOR_KUBERNETES: '1.3' })).toThrow('only 1.36 and 1.34')
  })
})

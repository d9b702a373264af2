import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import {
  isRevisionOf,
  revisionName,
  templateOfRevision,
  templateRevision,
} from '../../../lib/desired/template-revision.ts'
import { storedTemplate, type TemplateParts } from '../../support/objects.ts'

const uid = '6f1c0c7e-2b53-4b57-9d8e-0f4f6f1f2a10'
const template = ({ metadata, spec }: TemplateParts = {}) =>
  storedTemplate({ metadata: { uid, generation: 3, ...metadata }, ...(spec && { spec }) })
const staticFlag = (format: string) => template({ spec: { flagStrategy: { type: 'static', format } } })

describe('the revision of a template', () => {
  test('gives back the template that it keeps, with its name and generation', () => {
    const kept = template({ spec: { env: [{ name: 'A', value: 'ü'.repeat(30_000) }] } })
    const secret = templateRevision(kept)
    expect(templateOfRevision(secret)).toMatchObject({
      metadata: { name: 'web', namespace: 'ctf', uid, generation: 3 },
      spec: kept.spec,
    })
    expect(JSON.stringify(secret).length).toBeLessThan(2_000)
  })

  test('is an immutable Secret of a type and with labels of its own', () => {
    expect(templateRevision(template())).toMatchObject({
      type: 'infra.ctf.example.com/template-revision',
      immutable: true,
      metadata: {
        labels: {
          'app.kubernetes.io/managed-by': 'challenge-operator',
          'infra.ctf.example.com/template-revision': 'web',
        },
      },
    })
  })

  test('has a name of its own for each template, generation and content, which is a valid name of an object', () => {
    const names = [
      template(),
      template({ metadata: { generation: 4 } }),
      template({ metadata: { uid: 'another1' } }),
      template({ spec: { ttlMinutes: 5 } }),
      template({ metadata: { name: `${'a'.repeat(199)}-${'b'.repeat(53)}` } }),
    ].map(revisionName)
    expect(new Set(names).size).toBe(names.length)
    expect(names[0]).toMatch(/^web\.6f1c0c7e-3-[0-9a-f]{16}$/)
    for (const name of names)
      expect(name).toMatch(/^(?=.{1,253}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?\.[a-z0-9]([-a-z0-9]*[a-z0-9])?$/)
  })

  test('has a name that says nothing about a static flag', () => {
    expect(revisionName(staticFlag('flag{one}'))).toBe(revisionName(staticFlag('flag{two}')))
  })

  test('stays that of its generation when the stored template gets a new default', () => {
    const revision = revisionName(template())
    expect(isRevisionOf(revision, template({ spec: { writableRootFilesystem: true } }))).toBe(true)
    expect(isRevisionOf(revision, template({ metadata: { generation: 30 } }))).toBe(false)
    expect(isRevisionOf(revision, template({ metadata: { uid: 'another1' } }))).toBe(false)
  })

  test('is refused if the Secret is another one, or was forged', () => {
    const secret = templateRevision(template())
    const forged = templateRevision(template({ spec: { image: 'evil.example.com/miner:1' } }))
    const garbage = { template: gzipSync('{}').toString('base64') }
    expect(templateOfRevision({ ...secret, type: 'Opaque' })).toBeUndefined()
    expect(templateOfRevision({ ...forged, metadata: secret.metadata })).toBeUndefined()
    expect(templateOfRevision({ ...secret, data: garbage })).toBeUndefined()
    expect(templateOfRevision({ ...secret, data: { template: 'bm90IGd6aXA=' } })).toBeUndefined()
    expect(
      templateOfRevision({ ...secret, metadata: { ...secret.metadata, namespace: 'other' } }),
    ).toBeUndefined()
  })
})

import { generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto'
import { isIPv4 } from 'node:net'

export interface Issued {
  /** PEM. */
  certificate: string
  /** PEM, PKCS #8. */
  key: string
}

export interface Authority {
  /** PEM of the authority's own certificate. */
  certificate: string
  /** Issues a certificate for a server with these host names and IPv4 addresses. */
  issue(hosts: readonly string[], validity?: { from: Date; until: Date }): Issued
}

const aDay = 86_400_000

/** Makes a certificate authority that nobody trusts yet. Nothing but Node is needed, since openssl may be missing. */
export function makeAuthority(name = 'Test CA'): Authority {
  const own = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const make = (subject: string, publicKey: KeyObject, extensions: Buffer[], { from, until } = currently()) =>
    certificate({ issuer: name, signer: own.privateKey, subject, publicKey, from, until, extensions })
  return {
    certificate: make(name, own.publicKey, [isAuthority]),
    issue(hosts, validity) {
      const server = generateKeyPairSync('ec', { namedCurve: 'P-256' })
      return {
        certificate: make(hosts[0] ?? 'server', server.publicKey, [namesOf(hosts)], validity),
        key: server.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
      }
    },
  }
}

function currently() {
  return { from: new Date(Date.now() - aDay), until: new Date(Date.now() + aDay) }
}

interface CertificateContent {
  issuer: string
  signer: KeyObject
  subject: string
  publicKey: KeyObject
  from: Date
  until: Date
  extensions: Buffer[]
}

/** A certificate of RFC 5280 in PEM. */
function certificate({ issuer, signer, subject, publicKey, from, until, extensions }: CertificateContent) {
  const content = sequence(
    der(0xa0, integer(2)),
    der(0x02, Buffer.concat([Buffer.from([1]), randomBytes(15)])),
    ecdsaWithSha256,
    commonName(issuer),
    sequence(time(from), time(until)),
    commonName(subject),
    publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, sequence(...extensions)),
  )
  const signature = sign('sha256', content, signer)
  const body = sequence(content, ecdsaWithSha256, der(0x03, Buffer.from([0]), signature)).toString('base64')
  return [
    '-----BEGIN CERTIFICATE-----',
    ...(body.match(/.{1,64}/g) ?? []),
    '-----END CERTIFICATE-----',
    '',
  ].join('\n')
}

/** One element of DER: its tag, its length, its content. */
function der(tag: number, ...parts: Buffer[]): Buffer {
  const content = Buffer.concat(parts)
  const { length } = content
  const head = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.from([tag, ...head]), content])
}

function sequence(...parts: Buffer[]): Buffer {
  return der(0x30, ...parts)
}

function integer(value: number): Buffer {
  return der(0x02, Buffer.from([value]))
}

function identifier(hex: string): Buffer {
  return der(0x06, Buffer.from(hex, 'hex'))
}

function commonName(name: string): Buffer {
  return sequence(der(0x31, sequence(identifier('550403'), der(0x0c, Buffer.from(name)))))
}

/** GeneralizedTime, to the second. */
function time(date: Date): Buffer {
  return der(0x18, Buffer.from(`${date.toISOString().replace(/[-:T]/g, '').slice(0, 14)}Z`))
}

/** 1.2.840.10045.4.3.2 */
const ecdsaWithSha256 = sequence(identifier('2a8648ce3d040302'))

/** Basic constraints, critical: `cA` is true. */
const isAuthority = sequence(
  identifier('551d13'),
  der(0x01, Buffer.from([0xff])),
  der(0x04, sequence(der(0x01, Buffer.from([0xff])))),
)

/** The subject's alternative names. */
function namesOf(hosts: readonly string[]): Buffer {
  const names = hosts.map(host =>
    isIPv4(host) ? der(0x87, Buffer.from(host.split('.').map(Number))) : der(0x82, Buffer.from(host)),
  )
  return sequence(identifier('551d11'), der(0x04, sequence(...names)))
}

import { createHash, createHmac, type Hash, type Hmac } from 'node:crypto'
import type { SignatureV4 } from '@smithy/signature-v4'
import type { SqsClientOptions } from './sqs-client.ts'

export interface SignerOptions {
  service: string
  region: string
  /** Default: the SDK's chain of providers. */
  credentials?: SqsClientOptions['credentials']
}

/** Loads the parts of the SDK that sign a request. Each signature asks the provider for credentials that are still valid. */
export async function openSigner({ service, region, credentials }: SignerOptions): Promise<SignatureV4> {
  const [{ SignatureV4 }, { defaultProvider }] = await Promise.all([
    import('@smithy/signature-v4'),
    import('@aws-sdk/credential-provider-node'),
  ])
  return new SignatureV4({
    service,
    region,
    credentials: (credentials ?? defaultProvider()) as ReturnType<typeof defaultProvider>,
    sha256: NodeSha256,
    applyChecksum: false,
  })
}

class NodeSha256 {
  readonly #hash: Hash | Hmac

  constructor(secret?: string | ArrayBuffer | ArrayBufferView) {
    this.#hash = secret === undefined ? createHash('sha256') : createHmac('sha256', secret as string)
  }

  update(data: Uint8Array | string): void {
    this.#hash.update(data)
  }

  async digest(): Promise<Uint8Array> {
    return this.#hash.digest()
  }

  reset(): void {}
}

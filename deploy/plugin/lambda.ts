import { InvokeCommand, LambdaClient, type LambdaClientConfig } from '@aws-sdk/client-lambda'
import type { LeaseAnswer, SweepEnd } from './sign-of-life.ts'

/** Invokes functions of the stack. */
export function openFunctions(configuration: LambdaClientConfig) {
  const client = new LambdaClient(configuration)
  return {
    /** Begins the function and does not wait for its end. */
    async begin(name: string, event: unknown): Promise<void> {
      await client.send(
        new InvokeCommand({ FunctionName: name, InvocationType: 'Event', Payload: JSON.stringify(event) }),
      )
    },
    /** Invokes the function sweep and waits for its answer. */
    async sweep(name: string, event: unknown): Promise<SweepEnd> {
      const { FunctionError, Payload } = await client.send(
        new InvokeCommand({ FunctionName: name, Payload: JSON.stringify(event) }),
      )
      const answer = parsed(Payload?.transformToString() ?? '')
      if (FunctionError !== undefined) return { failure: String(answer.errorMessage ?? FunctionError) }
      return { lease: answer.lease as LeaseAnswer | undefined }
    },
  }
}

function parsed(text: string): Record<string, unknown> {
  try {
    return (JSON.parse(text) as Record<string, unknown> | null) ?? {}
  } catch {
    return {}
  }
}

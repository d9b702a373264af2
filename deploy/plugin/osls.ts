import type { LambdaClientConfig } from '@aws-sdk/client-lambda'
import type { TemplateResource } from './intrinsics.ts'

/** The parts of osls that the plugin uses. osls has no types for them. */
export interface Serverless {
  serviceDir: string
  service: {
    provider: {
      stage?: string
      environment: Record<string, unknown>
      compiledCloudFormationTemplate?: { Resources: Record<string, TemplateResource> }
    }
    functions: Record<string, { name: string; environment?: Record<string, unknown> }>
    resources: { Resources: Record<string, TemplateResource> }
  }
  processedInput: { commands: string[]; isHelpRequest?: boolean }
  getProvider(name: 'aws'): {
    getStage(): string
    getRegion(): string
    getAwsSdkV3Config(): Promise<LambdaClientConfig>
  }
  classes: { Error: new (message: string, code: string) => Error }
}

export interface Output {
  log: { notice(text?: string): void; warning(text: string): void; error(text: string): void }
  progress: { get(name: string): { notice(text: string): void; remove(): void } }
}

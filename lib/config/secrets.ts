import type { Section } from './section.ts'

export interface SecretsConfig {
  /** URLs that replace those of AWS, as the SDK's own clients read them. */
  endpoints: { secretsmanager?: string | undefined; ssm?: string | undefined }
}

/** The settings of the AWS SDK for the two services, for the one client that is not the SDK's. */
export const secretsSection: Section<SecretsConfig> = variables => {
  const forAll = variables.url('AWS_ENDPOINT_URL')
  return {
    endpoints: {
      secretsmanager: variables.url('AWS_ENDPOINT_URL_SECRETS_MANAGER') ?? forAll,
      ssm: variables.url('AWS_ENDPOINT_URL_SSM') ?? forAll,
    },
  }
}

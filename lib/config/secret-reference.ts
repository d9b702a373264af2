/** A secret that is kept by AWS, as its ARN names it. */
export interface SecretReference {
  arn: string
  /** Secrets Manager, or a parameter of Systems Manager. */
  service: 'secretsmanager' | 'ssm'
  region: string
  /** The last part of the hosts of AWS in the ARN's partition. */
  domain: string
  /** The variable whose value it holds. Messages name it, and not the ARN, which has the account. */
  variable: string
}

/** The last part of host names for each partition that EKS and RDS are in. */
const domains: Readonly<Record<string, string>> = {
  aws: 'amazonaws.com',
  'aws-us-gov': 'amazonaws.com',
  'aws-cn': 'amazonaws.com.cn',
}

/** The characters that the two services allow in names. */
const secretArn =
  /^arn:(aws[-a-z]*):(secretsmanager|ssm):([-a-z0-9]+):\d{12}:(secret:[-\w/+=.@!]{1,512}|parameter\/[-\w./]{1,1011})$/

export const secretArnForm =
  'the ARN of a secret (arn:aws:secretsmanager:<region>:<account>:secret:<name>) or of a parameter (arn:aws:ssm:<region>:<account>:parameter/<name>)'

/** @returns undefined if the text is no such ARN */
export function parseSecretArn(arn: string, variable: string): SecretReference | undefined {
  const [, partition = '', service, region = '', resource = ''] = arn.match(secretArn) ?? []
  const domain = Object.hasOwn(domains, partition) ? domains[partition] : undefined
  if (domain === undefined) return undefined
  if (service === 'secretsmanager' && resource.startsWith('secret:'))
    return { arn, service, region, domain, variable }
  if (service === 'ssm' && resource.startsWith('parameter/'))
    return { arn, service, region, domain, variable }
  return undefined
}

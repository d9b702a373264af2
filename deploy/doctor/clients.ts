import { CloudFormationClient } from '@aws-sdk/client-cloudformation'
import { CloudWatchClient } from '@aws-sdk/client-cloudwatch'
import { EKSClient } from '@aws-sdk/client-eks'
import { EventBridgeClient } from '@aws-sdk/client-eventbridge'
import { IAMClient } from '@aws-sdk/client-iam'
import { LambdaClient } from '@aws-sdk/client-lambda'
import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager'
import { SNSClient } from '@aws-sdk/client-sns'
import { SQSClient, type SQSClientConfig } from '@aws-sdk/client-sqs'
import { SSMClient } from '@aws-sdk/client-ssm'
import { STSClient } from '@aws-sdk/client-sts'

/** Default: the user's environment and profile decide. */
export type ClientOptions = Pick<SQSClientConfig, 'endpoint' | 'credentials'>

/** The clients of AWS that doctor asks. They are part of no bundle of a function. */
export type Clients = ReturnType<typeof openClients>

export function openClients(options: ClientOptions & { region: string }) {
  // Every client of the SDK takes these settings, each with a type of its own for them.
  const settings = options as never
  return {
    sts: new STSClient(settings),
    cloudFormation: new CloudFormationClient(settings),
    lambda: new LambdaClient(settings),
    iam: new IAMClient(settings),
    sqs: new SQSClient(settings),
    events: new EventBridgeClient(settings),
    sns: new SNSClient(settings),
    cloudWatch: new CloudWatchClient(settings),
    eks: new EKSClient(settings),
    secretsManager: new SecretsManagerClient(settings),
    ssm: new SSMClient(settings),
  }
}

export const credentialsRemedy =
  'log in (aws sso login, or aws configure), and choose the account by AWS_PROFILE; aws sts get-caller-identity tells who you are'

/** CloudFormation does not notice that somebody changed or deleted a resource, so a deployment leaves it as it is. */
export const revertRemedy =
  'somebody changed it outside of CloudFormation; put it back: docs/deploy-aws.md, "Putting resources back"'

export const deployRemedy = ({ stage }: { stage: string }) => `npx serverless deploy --stage ${stage}`

import { describe, expect, it } from 'vitest'
import { partitionOf, serviceHost } from '../../../lib/aws/partition.ts'

describe('the partition of a region', () => {
  it.each([
    ['eu-central-1', 'aws', 'sts.eu-central-1.amazonaws.com'],
    ['us-gov-west-1', 'aws-us-gov', 'sts.us-gov-west-1.amazonaws.com'],
    ['cn-north-1', 'aws-cn', 'sts.cn-north-1.amazonaws.com.cn'],
  ])('says the ARNs and addresses of %s', (region, partition, host) => {
    expect(partitionOf(region)).toBe(partition)
    expect(serviceHost('sts', region)).toBe(host)
  })
})

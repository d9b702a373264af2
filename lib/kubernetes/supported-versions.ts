/**
 * Minor versions of Kubernetes that are supported: those that Amazon EKS has in standard support on the day, which is for
 * 14 months after their release on EKS (its user guide, "Kubernetes release calendar").
 */
export const supportedVersions = { oldest: '1.34', newest: '1.37', on: '2026-11-30' } as const

/** The integration and chaos tests have run on these: `tools/control-plane` has a `go.mod` for each. */
export const testedVersions: readonly string[] = ['1.34', '1.36']

/** Whether a version is supported, and a sentence that says so to a person. */
export interface VersionVerdict {
  supported: boolean
  sentence: string
}

/** @param gitVersion as the API server tells it, for example `v1.34.10` or `v1.34.1-eks-113cf36` */
export function judgeVersion(gitVersion: string | undefined): VersionVerdict {
  const found = /^v?1\.(\d+)/.exec(gitVersion ?? '')
  if (found === null)
    return {
      supported: false,
      sentence: `the cluster tells no version of Kubernetes; ${range} are supported`,
    }
  const version = found[0].replace('v', '')
  const minor = Number(found[1])
  if (minor < minorOf(oldest))
    return {
      supported: false,
      sentence: `Kubernetes ${version} is older than what is supported (${range}), and no test ran on it; upgrade the cluster`,
    }
  if (minor > minorOf(newest))
    return {
      supported: false,
      sentence: `Kubernetes ${version} is newer than what is supported (${range}), and no test ran on it; look for a newer release of the operator`,
    }
  const tests = testedVersions.includes(version) ? 'the tests ran on it' : `the tests ran on ${neighbours}`
  return { supported: true, sentence: `Kubernetes ${version} is supported (${range}); ${tests}` }
}

const { oldest, newest } = supportedVersions
const range = `${oldest} to ${newest}`
const neighbours = testedVersions.join(' and ')

function minorOf(version: string): number {
  return Number(version.slice(version.indexOf('.') + 1))
}

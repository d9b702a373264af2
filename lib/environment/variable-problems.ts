import { isVariableName } from '../desired/variable-name.ts'

/** Limits of an instance's environment. The sum keeps a Deployment well under the 1.5 MB of an etcd object. */
const countLimit = 64
const nameLimit = 128
const valueBytes = 1024
const sumBytes = 32_768

/** The first problem of names and sizes, with what to write instead. No value is shown. */
export function variablesProblem(env: Readonly<Record<string, unknown>>): string | undefined {
  const names = Object.keys(env)
  if (names.length > countLimit) return `has ${names.length} variables; give at most ${countLimit}`
  let sum = 0
  for (const name of names) {
    const value = env[name]
    const shown = JSON.stringify(name.slice(0, 60))
    if (!isVariableName(name) || name === '__proto__' || name.length > nameLimit)
      return `has the name ${shown}; write at most ${nameLimit} letters, digits and _, no digit first`
    if (typeof value !== 'string') return `has a ${typeof value} for ${name}; write a string`
    if (value.includes('\0')) return `has a NUL character in ${name}, which no variable can hold; remove it`
    const bytes = Buffer.byteLength(value)
    if (bytes > valueBytes) return `has ${bytes} bytes in ${name}; give at most ${valueBytes}`
    sum += bytes
  }
  return sum > sumBytes ? `has ${sum} bytes in all; give at most ${sumBytes}` : undefined
}

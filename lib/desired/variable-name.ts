/** The names of environment variables that the operator accepts in templates, instances and flags. */
const form = /^[A-Za-z_][A-Za-z0-9_]*$/

export function isVariableName(text: string): boolean {
  return form.test(text)
}

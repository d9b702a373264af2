// Builds the Go programs that tests run into this machine's cache, before the tests: `npx node tools/build-go-programs.ts`.
// During the tests a build would take the processor that they need. Does nothing where they are, or where there is no Go.
import { findGoProgram, goPrograms } from '../test/support/go-program.ts'

/** Milliseconds. Downloads and compilation of one program on two cores, with a wide margin. */
const patienceMs = 1_200_000

for (const program of Object.values(goPrograms)) {
  const started = performance.now()
  const found = await findGoProgram(program, patienceMs)
  const seconds = Math.round((performance.now() - started) / 1_000)
  process.stdout.write(`${program.name}: ${'path' in found ? found.path : found.missing} (${seconds} s)\n`)
}

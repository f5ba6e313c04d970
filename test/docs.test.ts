import { execFile, execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { schema } from '../plugins/schema.js'
import { assemble } from '../src/create-server.js'
import { CloseCode } from '../src/core/errors.js'
import { AUTH_OUTCOMES, DROP_REASONS, LIMIT_NAMES } from '../src/core/stats.js'
import { startServer } from './helper.js'
import { freePort, startRedis } from './redis.js'

/** Milliseconds after which an example counts as failed: far more than any takes. */
const PATIENCE = 60_000

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8')
const list = (...patterns: string[]): string[] =>
  execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', ...patterns], { cwd: ROOT, encoding: 'utf8' })
    .trim().split('\n').filter(path => existsSync(join(ROOT, path)))

/** All pages, as somebody finds them who has cloned the project. */
const PAGES = list('*.md')
/** Those about running the server and talking to it. */
const GUIDES = PAGES.filter(path => path.startsWith('docs/'))

/** A page without its blocks of code, in which nothing is a link or a heading. */
function prose (path: string): string {
  return read(path).replace(/^( *)```.*?^\1```/gms, '')
}

/** The anchors of a page, as GitHub makes them. */
function anchorsOf (path: string): Set<string> {
  const anchors = new Set<string>()
  for (const [, heading] of prose(path).matchAll(/^#{1,6} +(.+?)\s*$/gm)) {
    const text = heading!.replace(/\[([^\]]*)\]\([^)]*\)/g, '$1').toLowerCase()
    const anchor = text.replace(/[^\p{L}\p{N}\p{M}\p{Pc} -]/gu, '').replaceAll(' ', '-')
    let unique = anchor
    for (let n = 1; anchors.has(unique); n++) unique = `${anchor}-${n}`
    anchors.add(unique)
  }
  return anchors
}

/** What is wrong with a link on a page; undefined: nothing, or it leads out of the project. */
function faultOf (page: string, link: string): string | undefined {
  if (/^[a-z]+:/i.test(link)) return undefined
  const [path = '', anchor] = decodeURI(link).split('#')
  const target = path === '' ? page : relative(ROOT, resolve(ROOT, dirname(page), path))
  if (target.startsWith('..') || !existsSync(join(ROOT, target))) return `${page}: ${link} is not there`
  if (statSync(join(ROOT, target)).isFile() && list(target).length === 0) return `${page}: ${link} is not committed`
  if (anchor === undefined) return undefined
  if (!target.endsWith('.md')) return `${page}: ${link} has an anchor into what is no page`
  return anchorsOf(target).has(anchor) ? undefined : `${page}: ${link} has no such heading`
}

const linksOf = (page: string): string[] =>
  [...prose(page).replace(/`[^`\n]*`/g, '').matchAll(/\]\(([^)\s]+)\)/g)].map(([, link]) => link!)

t.test('links', async t => {
  const links = PAGES.flatMap(page => linksOf(page).map(link => ({ page, link })))
  t.ok(PAGES.includes('docs/README.md') && PAGES.includes('PROTOCOL.md'))
  t.ok(links.length > 200, `${links.length} links`)
  t.strictSame(links.map(({ page, link }) => faultOf(page, link)).filter(Boolean), [], 'lead somewhere')

  t.match(faultOf('README.md', 'docs/nowhere.md'), /not there/, 'one to nowhere is found')
  t.match(faultOf('README.md', 'PROTOCOL.md#nowhere'), /no such heading/)
  t.equal(faultOf('docs/concepts.md', '../PROTOCOL.md#5-rooms-and-visibility'), undefined)

  const index = linksOf('docs/README.md')
  const pages = readdirSync(join(ROOT, 'docs')).filter(name => name.endsWith('.md') && name !== 'README.md')
  t.strictSame(pages.filter(name => !index.some(link => link.split('#')[0] === name)), [], 'the index has each page')
})

/** What pages speak of that is for who has cloned the project: it makes the image, and changes the server. */
const NOT_PACKED = /^(CONTRIBUTING\.md|bench|deploy\/(compose|helm|kubernetes)|docs\/images)(\/|$)/

t.test('links of the pages in the package', async t => {
  const { stdout } = await promisify(execFile)('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], { cwd: ROOT })
  const [{ files }] = JSON.parse(stdout) as [{ files: Array<{ path: string }> }]
  const packed = files.map(({ path }) => path)
  const pages = packed.filter(path => path.endsWith('.md'))
  t.ok(pages.includes('README.md') && pages.includes('docs/operations.md'))
  const dead = pages.flatMap(page => linksOf(page).filter(link => !/^([a-z]+:|#)/i.test(link)).flatMap(link => {
    const target = relative(ROOT, resolve(ROOT, dirname(page), link.split('#')[0]!))
    const isThere = packed.some(path => path === target || path.startsWith(`${target}/`))
    return isThere || NOT_PACKED.test(target) ? [] : [`${page}: ${link}`]
  }))
  t.strictSame(dead, [], 'lead to what is in it, too')
})

t.test('what the pages name', async t => {
  const text = GUIDES.map(read).join('\n')
  const named = (pattern: RegExp): string[] => [...new Set([...text.matchAll(pattern)].map(([, name]) => name!))]
  const { server, scope } = await assemble({ env: { LOG_LEVEL: 'silent' } })
  t.teardown(() => server.close())
  const exposition = await scope.metrics.metrics()
  const metrics = new Set([...exposition.matchAll(/^(?:# TYPE )?(\w+)/gm)].map(([, name]) => name!))

  t.test('variables', async t => {
    const names = named(/\b(SYMPLE_[A-Z_]*[A-Z])\b/g)
    t.ok(names.length > 25)
    t.strictSame(names.filter(name => !(name in schema.properties)), [])
  })

  t.test('metrics', async t => {
    const names = named(/`((?:symple|process|nodejs)_[a-z0-9_]+)(?:\{[^`]*\})?`/g)
    t.ok(names.length > 20)
    t.strictSame(names.filter(name => !metrics.has(name)), [])
  })

  t.test('labels of metrics', async t => {
    const values: Record<string, readonly string[]> = {
      limit: LIMIT_NAMES, outcome: [...AUTH_OUTCOMES, 'sent', 'lost', 'received', 'ignored'], reason: DROP_REASONS
    }
    const labels = [...text.matchAll(/`symple_\w+\{(\w+)="(\w+)"\}`/g)]
    t.ok(labels.length > 4)
    for (const [label, name, value] of labels) t.ok(values[name!]?.includes(value!), label)
    const reasons = [...read('docs/troubleshooting.md').matchAll(/^\| `([a-z]+_?[a-z]*)` \|/gm)].map(([, reason]) => reason!)
    t.strictSame(DROP_REASONS.filter(reason => !reasons.includes(reason)), [], 'each reason of a drop is explained')
    const [, table = ''] = /^## A limit is exceeded$(.*?)^## /ms.exec(read('docs/troubleshooting.md')) ?? []
    const limits = [...table.matchAll(/^\| (`.*?) \|/gm)].flatMap(([, cell]) => cell!.match(/[a-z_]+/g)!)
    t.strictSame(limits.filter(name => name !== 'limit').sort(), [...LIMIT_NAMES].sort(), 'and each limit')
  })

  t.test('close codes', async t => {
    // Beside ours, those of the WebSocket library, and the one that is never sent.
    const known = new Set<number>([...Object.values(CloseCode), 1002, 1006, 1007])
    const rows = [...read('docs/troubleshooting.md').matchAll(/^\| (\d{4})(?:, (\d{4}))? \|/gm)]
      .flatMap(([, ...codes]) => codes.filter(code => code !== undefined).map(Number))
    t.strictSame(rows.sort(), [...known].sort(), 'each is explained')
    const codes = named(/\b(44\d\d)\b/g).map(Number)
    t.ok(codes.length > 4)
    t.strictSame(codes.filter(code => !known.has(code)), [])
  })

  const sources = list('src/*.ts', 'plugins/*.ts', 'routes/*.ts').filter(path => !path.startsWith('src/browser/')).map(read).join('\n')
  const says = (words: string): boolean => sources.includes(words.replaceAll('\'', '\\\'')) || sources.includes(words)

  t.test('errors', async t => {
    const statuses = new Set([...sources.matchAll(/(?:SympleError\(|, \[|\[)(\d{3})\b/g)].map(([, status]) => status))
    const named = [...text.matchAll(/`error (\d{3})(?: "([^"]+)")?`/g)]
    t.ok(named.length > 8)
    for (const [error, status, words] of named) {
      t.ok(statuses.has(status), error)
      if (words !== undefined) t.ok(says(words), error)
    }
  })

  t.test('words of errors and of the log', async t => {
    const [, codes = ''] = /^## Closed with a code$(.*?)^### /ms.exec(read('docs/troubleshooting.md')) ?? []
    const words = [...codes.matchAll(/`([A-Z][a-z]+ [^`]*)`/g), ...codes.matchAll(/`([a-z]+ (?!\d)[a-z ]+)`/g)].map(([, words]) => words!)
    const [, refusals = ''] = /^## The HTTP API or the console refuses$(.*?)^## /ms.exec(read('docs/troubleshooting.md')) ?? []
    words.push(...[...refusals.matchAll(/`([A-Z][a-z]* [^`]*)`/g)].map(([, words]) => words!))
    const [, log = ''] = /^## What the log says$(.*?)^## /ms.exec(read('docs/operations.md')) ?? []
    for (const [, cell] of log.matchAll(/^\| (`.*?) \| \d/gm)) {
      words.push(...[...cell!.matchAll(/`([^`]+)`/g)].map(([, line]) => line!))
    }
    t.ok(words.length > 25)
    for (const line of words) t.ok(says(line), line)
  })

  t.test('each line of the log that is not usual has a row in docs/operations.md, with its level', async t => {
    const levels: Record<string, string> = { warn: '40', error: '50', fatal: '60' }
    const calls = sources.match(/\blog\.(?:warn|error|fatal)\(/g)!
    const lines = [...sources.matchAll(/\blog\.(warn|error|fatal)\((?:(?!log\.)[^])*?'((?:[^'\\\n]|\\.)*)'\)/g)]
    t.equal(lines.length, calls.length, 'the message of each ends in a plain string')
    const [, table = ''] = /^## What the log says$(.*?)^## /ms.exec(read('docs/operations.md')) ?? []
    const rows = [...table.matchAll(/^\| (`.*?`) \| ([\d, ]+) \|/gm)].flatMap(([, cell, level]) =>
      [...cell!.matchAll(/`([^`]+)`/g)].map(([, line]) => ({ line: line!, levels: level!.split(', ') })))
    const missing = lines.map(([, level, line]) => ({ line: line!.replaceAll('\\\'', '\''), level: levels[level!]! }))
      .filter(({ line, level }) => !rows.some(row => row.line === line && row.levels.includes(level)))
    t.strictSame(missing, [], 'none is missing')
  })
})

/** A block that is run, and what it prints. */
interface Example { place: string, server: string, language: string, code: string, output: string }

const EXAMPLES: Example[] = GUIDES.flatMap(page => {
  const text = read(page)
  const blocks = text.matchAll(/^<!-- run: (\w+) -->\n```(\w+)\n(.*?)```\n(?:(?!<!-- run|```).)*?```text\n(.*?)```/gms)
  return [...blocks].map(([, server, language, code, output]) => ({
    place: `${page}:${text.slice(0, text.indexOf(code!)).split('\n').length}`,
    server: server!,
    language: language!,
    code: code!,
    output: output!.trimEnd()
  }))
})

const SECRET = '0123456789abcdef0123456789abcdef'

/** Starts what the examples of a kind talk to. @returns what stands in them, by what it is here */
async function prepare (t: Test, kind: string): Promise<Record<string, string>> {
  if (kind === 'gateway') {
    const port = await freePort()
    return { 'port: 3000': `port: ${port}`, 'localhost:3000': `localhost:${port}` }
  }
  const redis = ['redis', 'sessions'].includes(kind) ? await startRedis(t) : null
  const { port } = await startServer(t, {
    ...redis !== null && { SYMPLE_REDIS_URL: redis.url },
    ...kind === 'sessions' && { SYMPLE_AUTHENTICATION: 'true', SYMPLE_SESSION_CHECK: '1' },
    ...kind === 'jwt' && { SYMPLE_AUTHENTICATION: 'true', SYMPLE_JWT_SECRET: SECRET, SYMPLE_JWT_AUDIENCE: 'symple' }
  })
  return {
    'localhost:4500': `127.0.0.1:${port}`,
    ...redis !== null && { 'localhost:6379': `127.0.0.1:${redis.port}`, 'redis-cli ': `redis-cli -p ${redis.port} ` }
  }
}

/** What a page shows, where `…` stands for anything. */
function pattern (output: string): RegExp {
  return new RegExp(`^${output.split('…').map(part => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('.*?')}$`)
}

t.test('the examples print what stands below them', async t => {
  const marks = GUIDES.map(read).join('\n').match(/^<!-- run: \w+ -->$/gm) ?? []
  t.equal(EXAMPLES.length, marks.length, 'each that is marked has its output')
  t.ok(EXAMPLES.length >= 9)
  for (const kind of new Set(EXAMPLES.map(({ server }) => server))) {
    t.test(kind, async t => {
      const places = await prepare(t, kind)
      for (const { place, language, code, output } of EXAMPLES.filter(({ server }) => server === kind)) {
        const text = Object.entries(places).reduce((text, [from, to]) => text.replaceAll(from, to), code)
        const [command, args]: [string, string[]] = language === 'sh'
          ? ['sh', ['-c', text]]
          : [process.execPath, ['--input-type=module', '--eval', text]]
        // Rejects where it fails. Its input stays open, as in a terminal.
        const { stdout } = await promisify(execFile)(command, args, { cwd: ROOT, timeout: PATIENCE })
        t.match(stdout.replaceAll('\r', '').trimEnd(), pattern(output), place)
      }
    })
  }
})

import { fileURLToPath } from 'node:url'
import t from 'tap'
import ts from 'typescript'

const file = (name: string) => fileURLToPath(new URL(`../../${name}`, import.meta.url))
/** As those who install the package see them. */
const ENTRIES = ['dist/src/app.d.ts', 'dist/src/client/index.d.ts'].map(file)

const { options } = ts.parseJsonConfigFileContent(
  ts.readConfigFile(file('tsconfig.json'), path => ts.sys.readFile(path)).config, ts.sys, file('')
)
const program = ts.createProgram(ENTRIES, { ...options, noEmit: true })
const checker = program.getTypeChecker()

/** All that applications see of the service and of their peers: the rest is for the edge. */
const MEMBERS = {
  Symple: [
    'addVirtualPeer', 'authenticate', 'authorizeJoin', 'authorizeMessage', 'broadcast', 'disconnect', 'gauges', 'join',
    'largestRooms', 'leave', 'nodes', 'onAuthorize', 'peer', 'peers', 'rooms', 'send'
  ],
  VirtualPeer: ['address', 'id', 'join', 'leave', 'publish', 'remove', 'removed', 'send', 'user', 'virtual']
}

/** Whether it is written here, and not by a package that we extend. */
const isOurs = (symbol: ts.Symbol): boolean => (symbol.declarations ?? []).some(({ kind, parent }) => {
  const { fileName } = parent.getSourceFile()
  return kind !== ts.SyntaxKind.TypeParameter && !fileName.includes('node_modules')
})

const isDocumented = (symbol: ts.Symbol): boolean => symbol.getDocumentationComment(checker).length > 0

/** The members that users see of a class or an interface. */
function membersOf (symbol: ts.Symbol): ts.Symbol[] {
  if ((symbol.flags & (ts.SymbolFlags.Class | ts.SymbolFlags.Interface)) === 0) return []
  return checker.getDeclaredTypeOfSymbol(symbol).getProperties().filter(member => isOurs(member) && !member.name.startsWith('#'))
}

for (const entry of ENTRIES) {
  t.test(`all that ${entry.slice(file('').length)} exports is documented, to the last member`, async t => {
    const module = checker.getSymbolAtLocation(program.getSourceFile(entry)!)!
    const names: string[] = []
    const missing: string[] = []
    for (const exported of checker.getExportsOfModule(module)) {
      const symbol = (exported.flags & ts.SymbolFlags.Alias) === 0 ? exported : checker.getAliasedSymbol(exported)
      for (const one of [symbol, ...membersOf(symbol)]) {
        const name = one === symbol ? exported.name : `${exported.name}.${one.name}`
        names.push(name)
        if (!isDocumented(one)) missing.push(name)
      }
    }
    t.ok(names.length > 40, `${names.length} names`)
    t.strictSame(missing, [])
    for (const [type, members] of Object.entries(MEMBERS)) {
      const seen = names.filter(name => name.startsWith(`${type}.`)).map(name => name.slice(type.length + 1))
      if (names.includes(type)) t.strictSame(seen.sort(), members, type)
    }
  })
}

t.test('types that leave out what is for the edge alone fit together', async t => {
  const strict = ts.createProgram(ENTRIES, { ...options, noEmit: true, skipLibCheck: false })
  const ours = ts.getPreEmitDiagnostics(strict).filter(({ file }) => file?.fileName.includes('/dist/'))
  t.strictSame(ours.map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n')), [])
})

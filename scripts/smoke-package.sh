#!/bin/sh
# Packs the project, installs the tarball alone into an empty folder, and checks that what users get works there: import
# and require, types, a gateway of ten lines, the client, and the program. That once more as a container runs it: as user
# 1000, on a read-only file system, without capabilities. Where that can't be arranged (it takes root on Linux), a line
# says so.
# Prints one line "ok ..." and exits 0, or says what failed and exits 1.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
folder=$(mktemp -d)
server=
finish () {
  status=$?
  [ -z "$server" ] || kill -KILL "$server" 2>/dev/null || true
  [ "$status" -eq 0 ] || { echo "smoke-package: failed" >&2; cat "$folder"/*.log >&2 2>/dev/null || true; }
  rm -rf "$folder"
}
trap finish EXIT
trap 'exit 1' HUP INT TERM
fail () { echo "smoke-package: $*" >&2; exit 1; }

(cd "$root" && npm pack --silent --pack-destination "$folder" > "$folder/pack.log")
cd "$folder"
tarball=$(ls ./*.tgz)
echo '{ "private": true, "type": "module" }' > package.json
npm install --no-audit --no-fund --loglevel=error "$tarball" > install.log 2>&1

# What has to be in it, and nothing else.
package=node_modules/symple-server
for file in dist/src/app.d.ts dist/pages/playground.html PROTOCOL.md CHANGELOG.md README.md LICENSE .env.example \
  docs/README.md examples/bot.js src/client/connection.ts deploy/observability/prometheus-rules.yaml; do
  [ -f "$package/$file" ] || fail "$file is not in the package"
done
find "$package" -name node_modules -prune -o -type f -print | sed "s|^$package/||" | while read -r file; do
  name=${file#dist/}
  case $file in
    dist/pages/*.html) [ -d "$root/src/browser/$(basename "$file" .html)" ] || fail "$file has no source" ;;
    dist/*.d.ts) [ -f "$root/${name%.d.ts}.ts" ] || fail "$file has no source: remove dist/ and build anew" ;;
    dist/*.js) [ -f "$root/${name%.js}.ts" ] || fail "$file has no source: remove dist/ and build anew" ;;
    docs/*.md | docs/*.svg | examples/*.js | examples/README.md | src/client/*.ts | deploy/observability/*) ;;
    package.json | README.md | LICENSE | PROTOCOL.md | SECURITY.md | CHANGELOG.md | .env.example) ;;
    *) fail "$file does not belong into the package" ;;
  esac
done

cat > import.js <<'JS'
import symple, { createServer } from 'symple-server'
import { SympleConnection } from 'symple-server/client'
import packageJson from 'symple-server/package.json' with { type: 'json' }

for (const value of [symple, createServer, SympleConnection]) {
  if (typeof value !== 'function') throw new Error('import: something is not exported')
}
console.log(packageJson.version)
JS
version=$(node --no-warnings import.js)

cat > require.cjs <<'JS'
const symple = require('symple-server')
const { SympleConnection } = require('symple-server/client')
const fastify = require('fastify')

for (const value of [symple.default, symple.createServer, SympleConnection]) {
  if (typeof value !== 'function') throw new Error('require: something is not exported')
}
// Fastify takes the module for the plugin.
const gateway = fastify()
gateway.register(symple, { prefix: '/realtime', env: false })
gateway.ready().then(() => {
  if (!gateway.hasDecorator('symple')) throw new Error('require: the plugin does not mount')
  return gateway.close()
})
JS
node --no-warnings require.cjs

cat > types.ts <<'TS'
import Fastify from 'fastify'
import symple, { createServer, type AuthenticateHook, type Server, type SymplePluginOptions } from 'symple-server'
import { SympleConnection, type ConnectionOptions, type Peer } from 'symple-server/client'

const authenticate: AuthenticateHook = async (_peer, { token }) => ({ allowed: token !== undefined })
const options: SymplePluginOptions = { prefix: '/realtime', maxMessageSize: 1024, authenticate }
const gateway = Fastify()
await gateway.register(symple, options)
await gateway.symple.send('alice', { type: 'message' })

const server: Server = await createServer({ port: 0, authenticate })
await server.app.symple.broadcast({ type: 'message' })

const client: ConnectionOptions = { user: 'alice' }
const peers: ReadonlyMap<string, Peer> = new SympleConnection('ws://localhost', client).roster
// @ts-expect-error it is for reading
peers.clear()
TS
"$root/node_modules/.bin/tsc" --noEmit --strict --target es2023 --module nodenext --skipLibCheck \
  --typeRoots "$root/node_modules/@types" --types node types.ts > types.log 2>&1 || fail "the types do not fit"

symple () { ./node_modules/.bin/symple-server "$@"; }
[ "$(symple --version)" = "$version" ] || fail "--version says something else"
symple --check-config --port 4567 | grep -q '"SYMPLE_PORT": 4567' || fail "--check-config does not show the port"

cat > gateway.js <<'JS'
import Fastify from 'fastify'
import symple from 'symple-server'

const gateway = Fastify()
await gateway.register(symple, {
  prefix: '/realtime',
  authenticate: (peer, { token }) => ({ allowed: token === 's3cr3t', rooms: ['lobby'] })
})
export const address = await gateway.listen({ host: '127.0.0.1', port: 0 })
export const close = () => gateway.close()
JS

cat > chat.js <<'JS'
import { createRequire } from 'node:module'
import { SympleConnection } from 'symple-server/client'

// Nothing here takes a minute: what is still waited for then will not come.
setTimeout(() => { throw new Error('timed out') }, 60_000).unref()

// Node has one from version 22 on; the library comes with the server.
const require = createRequire(createRequire(import.meta.url).resolve('@fastify/websocket'))
const WebSocket = globalThis.WebSocket ?? require('ws').WebSocket

export async function enter (url, user, token) {
  const connection = new SympleConnection(url, { user, token, rooms: ['lobby'], reconnect: false, WebSocket })
  await connection.connect()
  return connection
}

// Two clients talk until the server is stopped, and are told so.
export async function chat (url, stop, token) {
  const alice = await enter(url, 'alice', token)
  const bob = await enter(url, 'bob', token)
  const happens = name => new Promise(resolve => { bob.on(name, resolve) })
  const [message, end] = [happens('message'), happens('end')]
  alice.send({ type: 'message', to: ['lobby'], data: 'hello' })
  const { data, from } = await message
  if (data !== 'hello' || from !== alice.address) throw new Error('the message did not arrive as it was sent')
  stop()
  const { code } = await end
  if (code !== 1001) throw new Error(`closed with ${code}`)
}
JS

cat > mount.js <<'JS'
import { chat, enter } from './chat.js'
import { address, close } from './gateway.js'

const refused = await enter(`${address}/realtime`, 'eve').catch(String)
if (!/4401/.test(refused)) throw new Error(`the gateway let a stranger in: ${refused}`)
await chat(`${address}/realtime`, close, 's3cr3t')
JS
SYMPLE_DRAIN_SECONDS=0 node mount.js > mount.log 2>&1

cat > talk.js <<'JS'
import { readFileSync } from 'node:fs'
import { setTimeout as wait } from 'node:timers/promises'
import { chat } from './chat.js'

const pid = Number(process.argv[2])
let origin
while (origin === undefined) {
  process.kill(pid, 0) // throws when it has ended
  origin = /Server listening at (http:\/\/127\.0\.0\.1:\d+)/.exec(readFileSync('server.log', 'utf8'))?.[1]
  if (origin === undefined) await wait(20)
}

const health = await fetch(`${origin}/healthz`)
if (!health.ok) throw new Error(`/healthz: ${health.status}`)

const page = await fetch(origin, { headers: { accept: 'text/html' } })
if (!(await page.text()).includes('<title>Symple playground')) throw new Error('the playground is not there')

await chat(origin, () => { process.kill(pid, 'SIGTERM') })
JS
# Serves messages, and stops; with a command before it, the server is run by that.
serve () {
  export SYMPLE_HOST=127.0.0.1 SYMPLE_PORT=0 SYMPLE_DRAIN_SECONDS=0 PORT=
  "$@" ./node_modules/.bin/symple-server > server.log 2>&1 &
  server=$!
  node talk.js "$server"
  wait "$server" || fail "SIGTERM ended the server with exit code $?"
  server=
}

# Each program takes the place of the one before it, so that signals come through.
cat > confined.sh <<'SH'
#!/bin/sh
exec unshare --mount sh -euc '
  mount --make-rprivate /
  mount -o remount,bind,ro /
  mount -o remount,bind,ro "$(df --output=target . | tail -n 1)"
  exec setpriv --reuid 1000 --regid 1000 --clear-groups --no-new-privs --inh-caps -all --bounding-set -all sh -euc "
    [ \"\$(id -u)\" = 1000 ]
    for place in . /tmp; do
      if touch \"\$place/written\" 2> /dev/null; then echo \"\$place can be written to\"; exit 1; fi
    done
    grep -q \"^CapEff:[[:space:]]*0*\$\" /proc/self/status
    exec \"\$@\"" sh "$@"' sh "$@"
SH
chmod 755 "$folder" confined.sh

serve env
how='installs alone, imports, requires, has types, mounts in a gateway, serves and stops'
if reason=$(./confined.sh true 2>&1); then
  serve ./confined.sh
  how="$how; as user 1000 on a read-only file system, without capabilities, too"
else
  echo "smoke-package: SKIPPED as user 1000 on a read-only file system: $reason" >&2
fi
echo "ok symple-server $version: $how"

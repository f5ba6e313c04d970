#!/bin/sh
# Packs the project, installs the tarball alone into a temporary folder, and checks that what users get works:
# it can be imported, its program serves health checks and messages, and SIGTERM ends it with exit code 0. Then the same
# as a container runs it: as user 1000, on a read-only file system, without capabilities. Where that can't be arranged
# (it takes root on Linux), a line says so.
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

(cd "$root" && npm pack --silent --pack-destination "$folder" > "$folder/pack.log")
cd "$folder"
tarball=$(ls ./*.tgz)
echo '{ "private": true, "type": "module" }' > package.json
npm install --no-audit --no-fund --loglevel=error "$tarball" > install.log 2>&1

cat > import.js <<'JS'
import symple from 'symple-server'
import { SympleConnection } from 'symple-server/client'
import { createRequire } from 'node:module'

if (typeof symple !== 'function') throw new Error('the package exports no plugin')
if (typeof SympleConnection !== 'function') throw new Error('the package exports no client')
const { version } = createRequire(import.meta.url)('symple-server/package.json')
console.log(version)
JS
version=$(node import.js)

for file in dist/src/app.d.ts PROTOCOL.md CHANGELOG.md README.md LICENSE .env.example; do
  [ -f "node_modules/symple-server/$file" ] || { echo "smoke-package: $file is not in the package" >&2; exit 1; }
done

cat > talk.js <<'JS'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { setTimeout as wait } from 'node:timers/promises'

// The WebSocket library comes with the server.
const require = createRequire(new URL('node_modules/symple-server/package.json', import.meta.url))
const { WebSocket } = createRequire(require.resolve('@fastify/websocket'))('ws')

// Nothing here takes a minute: what is still waited for then will not come.
setTimeout(() => { throw new Error('timed out') }, 60_000).unref()

const pid = Number(process.argv[2])
let port
while (port === undefined) {
  process.kill(pid, 0) // throws when it has ended
  port = /Server listening at http:\/\/127\.0\.0\.1:(\d+)/.exec(readFileSync('server.log', 'utf8'))?.[1]
  if (port === undefined) await wait(20)
}

const health = await fetch(`http://127.0.0.1:${port}/healthz`)
if (!health.ok) throw new Error(`/healthz: ${health.status}`)

const page = await fetch(`http://127.0.0.1:${port}/`, { headers: { accept: 'text/html' } })
if (!(await page.text()).includes('<title>Symple playground')) throw new Error('the playground is not there')

const enter = async user => {
  const ws = new WebSocket(`ws://127.0.0.1:${port}/`)
  const frames = []
  ws.on('message', data => { frames.push(JSON.parse(data)); ws.emit('frame') })
  const find = async type => {
    for (;;) {
      const frame = frames.find(frame => frame.type === type)
      if (frame !== undefined) return frame
      await once(ws, 'frame')
    }
  }
  await once(ws, 'open')
  ws.send(JSON.stringify({ type: 'auth', user, rooms: ['lobby'] }))
  await find('welcome')
  return { ws, find }
}

const alice = await enter('alice')
const bob = await enter('bob')
alice.ws.send(JSON.stringify({ type: 'message', to: 'bob', data: 'hello' }))
const { data, from } = await bob.find('message')
if (data !== 'hello' || !from.startsWith('alice|')) throw new Error('the message did not arrive as it was sent')

const closed = once(bob.ws, 'close')
process.kill(pid, 'SIGTERM')
const [code] = await closed
if (code !== 1001) throw new Error(`closed with ${code}`)
process.exit()
JS
# Serves messages, and stops; with a command before it, the server is run by that.
serve () {
  export SYMPLE_HOST=127.0.0.1 SYMPLE_PORT=0 SYMPLE_DRAIN_SECONDS=0 PORT=
  "$@" ./node_modules/.bin/symple-server > server.log 2>&1 &
  server=$!
  node talk.js "$server"
  wait "$server" || { echo "smoke-package: SIGTERM ended the server with exit code $?" >&2; exit 1; }
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
how='installs, imports, serves and stops'
if reason=$(./confined.sh true 2>&1); then
  serve ./confined.sh
  how="$how; as user 1000 on a read-only file system, without capabilities, too"
else
  echo "smoke-package: SKIPPED as user 1000 on a read-only file system: $reason" >&2
fi
echo "ok symple-server $version: $how"

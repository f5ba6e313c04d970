import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, constants, openSync, readFileSync, readSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { LineWriter } from '../src/line-writer.js'
import { eventually } from './helper.js'
import { openPipe } from './pipe.js'
import { temporaryFolder } from './process.js'

/** A writer to a pipe, and who reads from it, if anybody does. @param flags how it was opened */
function writerTo (t: Test, flags: string | number = 'w') {
  const pipe = openPipe(t)
  const fd = openSync(pipe.path, flags)
  const writer = new LineWriter(fd)
  t.teardown(async () => {
    // What it has still to write would go to whatever has this number next.
    pipe.leave()
    writer.flushSync()
    await idle()
    closeSync(fd)
  })
  return { ...pipe, writer, fd }
}

/** Waits until no other thread is about files. */
async function idle (): Promise<void> {
  await eventually(() => !process.getActiveResourcesInfo().includes('FSReqCallback'), 'an end of all writes')
}

const line = (i: number, size = 100) => `${i} ${'x'.repeat(size)}`
const numbers = (lines: string[]) => lines.map(line => Number.parseInt(line))
const firstOnes = (count: number) => Array.from({ length: count }, (_, i) => i)

t.test('all lines come, whole and in order', async t => {
  const { writer, read } = writerTo(t)
  for (let i = 0; i < 5000; i++) writer.write(`${line(i)}\n`)
  await eventually(() => read().length === 5000, 'all lines')
  t.strictSame(read(), firstOnes(5000).map(i => line(i)))
  writer.write('5000 a last one\n')
  await eventually(() => read().length === 5001, 'a single line')
})

t.test('nobody reads for a while: lines that are too many are dropped, and that is said', async t => {
  const { writer, read } = writerTo(t)
  const count = 2000
  for (let i = 0; i < count; i++) writer.write(`${line(i, 10_000)}\n`)
  const isSaid = (line: string) => line.includes('log lines dropped')
  await eventually(() => {
    writer.write(`${count}\n`)
    return read().some(isSaid) && read().at(-1) === String(count)
  }, 'the word of it')
  const lines = read()
  const at = lines.findIndex(isSaid)
  const kept = numbers(lines.slice(0, at))
  t.strictSame(kept, firstOnes(kept.length), 'the first ones are there')
  t.ok(kept.length > 500)
  const { level, dropped, hostname, pid } = JSON.parse(lines[at]!) as Record<string, unknown>
  t.equal(level, 40)
  t.equal(pid, process.pid)
  t.type(hostname, 'string')
  t.ok(Number(dropped) >= count - kept.length)
  t.ok(numbers(lines.slice(at + 1)).every(number => number === count), 'and what came later')
})

t.test('nobody reads any more: it goes on, and so does the end', async t => {
  const { writer, path, leave, fd } = writerTo(t)
  leave()
  for (let i = 0; i < 1000; i++) writer.write(`${line(i)}\n`)
  await idle()
  // Whoever comes to read later has missed it.
  const late = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  writer.write('too late\n')
  writer.flushSync()
  t.throws(() => readSync(late, Buffer.alloc(1)), { code: 'EAGAIN' }, 'it has given up')
  closeSync(late)
  const another = new LineWriter(fd)
  another.write('first\n')
  another.flushSync()
  another.write('second\n')
  another.flushSync()
  t.pass('none of it waits or throws')
})

t.test('the end of the process writes what waits', async t => {
  const { writer, read } = writerTo(t)
  writer.write(`${line(0)}\n`)
  writer.write(`${line(1)}\n`)
  t.strictSame(read(), [])
  writer.flushSync()
  t.strictSame(numbers(read()), [0, 1])
  // Too much for one batch, with which another thread has begun.
  for (let i = 2; i < 300; i++) writer.write(`${line(i)}\n`)
  writer.flushSync()
  await eventually(() => read().length === 300, 'all lines')
  t.strictSame(numbers(read()).sort((a, b) => a - b), firstOnes(300))
})

t.test('the end of the process writes what there was no room for', async t => {
  const { writer, read } = writerTo(t, constants.O_WRONLY | constants.O_NONBLOCK)
  for (let i = 0; i < 1000; i++) writer.write(`${line(i)}\n`)
  // The pipe is full.
  await idle()
  const before = read().length
  t.ok(before > 0 && before < 1000)
  writer.flushSync()
  t.strictSame(numbers(read()), firstOnes(1000))
})

t.test('the end of the process says what was dropped, and waits for who reads slowly', async t => {
  const { writer, path } = writerTo(t)
  for (let i = 0; i < 1000; i++) writer.write(`${line(i, 10_000)}\n`)
  const out = join(temporaryFolder(t), 'out')
  const reader = spawn('cat', [path], { stdio: ['ignore', openSync(out, 'w'), 'inherit'] })
  writer.flushSync()
  await eventually(() => readFileSync(out, 'utf8').includes('log lines dropped'), 'the word of it')
  const lines = readFileSync(out, 'utf8').trimEnd().split('\n')
  t.match(JSON.parse(lines.at(-1)!), { msg: 'log lines dropped', dropped: 1001 - lines.length })
  reader.kill()
  await once(reader, 'exit')
})

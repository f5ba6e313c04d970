// Makes each folder of src/browser that has an index.html one page in dist/pages, with its style and script inside: it
// needs no other address, so it works under any path and behind any proxy.
//
//   node scripts/bundle.js           bundles once
//   node scripts/bundle.js --watch   and again on every change

import { existsSync, mkdirSync, readdirSync, utimesSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { context } from 'esbuild'

const ROOT = fileURLToPath(new URL('../', import.meta.url))
const SERVER = `${ROOT}dist/src/server.js`
const watching = process.argv.includes('--watch')

const names = readdirSync(`${ROOT}src/browser`).filter(name => existsSync(`${ROOT}src/browser/${name}/index.html`))
mkdirSync(`${ROOT}dist/pages`, { recursive: true })

for (const name of names) {
  const folder = `${ROOT}src/browser/${name}`
  const bundle = await context({
    entryPoints: ['index.html', 'style.css', 'main.ts'].map(file => `${folder}/${file}`),
    loader: { '.html': 'copy' },
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    outdir: folder,
    write: false,
    logLevel: 'warning',
    plugins: [{ name: 'page', setup: build => { build.onEnd(result => { write(name, result) }) } }]
  })
  if (watching) {
    await bundle.watch()
  } else {
    await bundle.rebuild()
    await bundle.dispose()
  }
}

function write (name, { errors, outputFiles }) {
  if (errors.length > 0) return
  const output = ending => outputFiles.find(({ path }) => path.endsWith(ending)).text
  const page = put(put(output('index.html'),
    '<link rel="stylesheet" href="style.css">', `<style>${output('style.css').trim()}</style>`),
  '<script type="module" src="main.ts"></script>', `<script type="module">${output('main.js').trim()}</script>`)
  writeFileSync(`${ROOT}dist/pages/${name}.html`, page)
  // `node --watch` follows modules alone.
  if (watching && existsSync(SERVER)) utimesSync(SERVER, new Date(), new Date())
}

function put (html, place, content) {
  if (!html.includes(place)) throw new Error(`index.html has no ${place}`)
  return html.replace(place, () => content)
}

import { existsSync, readFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { createRequire } from 'node:module'
import { chromium, type Browser, type BrowserContext, type BrowserContextOptions, type Page } from 'playwright-core'
import type { Test } from 'tap'

/** Names under which it is installed; CHROMIUM names one that is somewhere else. */
const PROGRAMS = [process.env['CHROMIUM'] ?? 'chromium', 'chromium-browser', 'google-chrome']

/** It has no business on any network but that of the test. */
const ARGS = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync'
]

/** Milliseconds after which a wait counts as failed: far more than anything takes. */
const PATIENCE = 30_000

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

function executable (): string {
  const folders = (process.env['PATH'] ?? '').split(delimiter)
  const paths = PROGRAMS.flatMap(name => name.includes('/') ? [name] : folders.map(folder => join(folder, name)))
  const path = paths.find(path => existsSync(path))
  if (path === undefined) throw new Error('Chromium is missing: sh scripts/ensure-test-tools.sh says how to get it')
  return path
}

/** Starts a real browser, with a profile of its own; the test's teardown ends it. */
export async function startBrowser (t: Test): Promise<Browser> {
  const browser = await chromium.launch({ executablePath: executable(), args: ARGS })
  t.teardown(() => browser.close())
  return browser
}

/** Some tabs of one person, and all that the browser complained of in them. */
export interface Tabs {
  /** Errors and warnings of the console, what breaks the content security policy among them; exceptions; dialogs. */
  readonly complaints: string[]
  open (url: string): Promise<Page>
}

/** The test's teardown closes them. */
export async function openTabs (t: Test, browser: Browser, options: BrowserContextOptions = {}): Promise<Tabs> {
  const context = await browser.newContext(options)
  t.teardown(() => context.close())
  context.setDefaultTimeout(PATIENCE)
  const complaints: string[] = []
  return {
    complaints,
    open: async url => {
      const page = await openPage(context, complaints)
      const response = await page.goto(url)
      const type = response?.headers()['content-type'] ?? 'nothing'
      if (!type.startsWith('text/html')) throw new Error(`${url} is ${type}: run "npm run build" first`)
      return page
    }
  }
}

async function openPage (context: BrowserContext, complaints: string[]): Promise<Page> {
  const page = await context.newPage()
  page.on('console', message => {
    if (['error', 'warning'].includes(message.type())) complaints.push(message.text())
  })
  page.on('pageerror', error => { complaints.push(error.message) })
  page.on('dialog', dialog => {
    complaints.push(`dialog: ${dialog.message()}`)
    dialog.dismiss().catch(() => {})
  })
  return page
}

interface AxeResult {
  violations: Array<{ id: string, impact: string, nodes: Array<{ target: unknown, failureSummary: string }> }>
}

/**
 * What axe-core finds wrong with a page for those who see, hear or move less well, as lines; what is minor is left out.
 *
 * @param page of a context with `bypassCSP`: the policy would keep axe out
 */
export async function violations (page: Page): Promise<string[]> {
  await page.evaluate(AXE)
  const { violations } = await page.evaluate('axe.run()') as AxeResult
  return violations
    .filter(({ impact }) => impact !== 'minor')
    .flatMap(({ id, nodes }) => nodes.map(({ target, failureSummary }) => `${id} ${String(target)}: ${failureSummary}`))
}

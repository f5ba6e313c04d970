import t from 'tap'
import { connect, startServer } from '../helper.js'
import { openTabs, startBrowser, violations } from './chromium.js'
import { httpOf, said } from './playground.js'

const browser = await startBrowser(t)

for (const [what, colorScheme, width] of [['light', 'light', 1400], ['dark', 'dark', 1400], ['a phone', 'light', 380]] as const) {
  t.test(`is accessible: ${what}`, async t => {
    const { server, url } = await startServer(t)
    const tabs = await openTabs(t, browser, { bypassCSP: true, colorScheme, viewport: { width, height: 800 }, reducedMotion: 'reduce' })
    const show = async (view: string) => {
      const button = page.locator(`[data-show=${view}]`)
      if (await button.isVisible()) await button.click()
    }
    const check = async (state: string) => { t.strictSame(await violations(page), [], state) }
    const page = await tabs.open(httpOf(url))
    await page.getByText('Token', { exact: true }).first().click()
    await check('before')
    await page.getByRole('button', { name: 'Connect' }).click()
    await page.getByText(/^Online as/).waitFor()
    const bob = await connect(t, url, { user: 'bob', rooms: ['lobby'], data: { status: 'here' } })
    bob.send({ type: 'event', name: 'doorbell', data: { pressed: true } })
    await show('chat')
    await said(page, 'doorbell').waitFor()
    await page.locator('[data-mode=json]').click()
    await page.getByLabel('Start from').selectOption('A faulty "to"')
    await page.locator('#send-json').click()
    await page.locator('.fault').waitFor()
    await check('the conversation')
    await page.getByLabel('Frame as JSON').fill('{')
    await check('an error in the editor')
    await show('frames')
    await page.locator('#frames summary').last().click()
    await check('frames')
    await show('people')
    await page.locator('#people button').waitFor()
    await check('people')
    t.ok(await page.evaluate('document.documentElement.scrollWidth <= innerWidth'), 'nothing sticks out')
    await server.close()
    await page.getByText(/^Next attempt/).waitFor()
    await check('a lost connection')
  })
}

// What the pages gain from a script: tabs, copying, search, the theme. All of them can be read without.
(() => {
  const script = document.currentScript;
  const keep = (key, value) => {
    try {
      if (value === null) localStorage.removeItem(key);
      else localStorage.setItem(key, value);
    } catch {
      // Without storage the choice lasts for this page.
    }
  };
  const kept = (key) => {
    try {
      return localStorage.getItem(key);
    } catch {
      return null;
    }
  };
  const make = (name, attributes = {}, ...children) => {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    element.append(...children);
    return element;
  };
  const icon = (name, ...paths) => {
    const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
    svg.setAttribute('viewBox', '0 0 20 20');
    svg.setAttribute('class', name);
    svg.setAttribute('aria-hidden', 'true');
    for (const d of paths) {
      const path = document.createElementNS(svg.namespaceURI, 'path');
      path.setAttribute('d', d);
      svg.append(path);
    }
    return svg;
  };

  // Theme: the system's, light, dark, and round again.

  function theme() {
    const button = document.querySelector('.theme');
    const next = { system: 'light', light: 'dark', dark: 'system' };
    const show = (name) => {
      for (const element of [document.documentElement, button]) {
        if (name === 'system') delete element.dataset.theme;
        else element.dataset.theme = name;
      }
      button.setAttribute('aria-label', `Theme: ${name}. Change to ${next[name]}`);
      button.title = `Theme: ${name}`;
    };
    let now = document.documentElement.dataset.theme ?? 'system';
    show(now);
    button.addEventListener('click', () => {
      now = next[now];
      show(now);
      keep('theme', now === 'system' ? null : now);
    });
  }

  // Copying

  async function copy(code) {
    try {
      await navigator.clipboard.writeText(code.textContent.trimEnd());
    } catch {
      // Browsers have no clipboard for pages that came by plain HTTP; the older way works there.
      getSelection().selectAllChildren(code);
      document.execCommand('copy');
      getSelection().removeAllRanges();
    }
  }

  function copying() {
    const said = make('p', { class: 'said', role: 'status' });
    document.body.append(said);
    for (const code of document.querySelectorAll('pre')) {
      const button = make('button', { class: 'copy', type: 'button', 'aria-label': 'Copy this code', title: 'Copy' });
      button.append(icon('sheets', 'M7 7h9v9H7z', 'M13 4H4v9'), icon('ok', 'm4 10.5 4 4 8-9'));
      button.addEventListener('click', async () => {
        await copy(code);
        button.classList.add('done');
        said.textContent = 'Copied';
        setTimeout(() => {
          button.classList.remove('done');
          said.textContent = '';
        }, 1600);
      });
      const around = make('div', { class: 'copies' });
      code.replaceWith(around);
      around.append(code, button);
    }
  }

  // Tabs: one sample is shown, in the language that was chosen last, here or on another page.

  function tabs(group) {
    const samples = [...group.querySelectorAll(':scope > .sample')];
    if (samples.length < 2) return;
    const list = make('div', { class: 'tabs', role: 'tablist', 'aria-label': 'Language' });
    const buttons = samples.map((sample) => {
      const button = make('button', { type: 'button', role: 'tab', id: `tab-${sample.id}`, 'aria-controls': sample.id });
      button.textContent = sample.querySelector('h3').textContent;
      sample.setAttribute('role', 'tabpanel');
      sample.setAttribute('aria-labelledby', button.id);
      button.addEventListener('click', () => choose(samples.indexOf(sample), true));
      return button;
    });
    const choose = (index, remember) => {
      samples.forEach((sample, at) => {
        sample.classList.toggle('on', at === index);
        buttons[at].setAttribute('aria-selected', at === index);
        buttons[at].tabIndex = at === index ? 0 : -1;
      });
      if (remember) keep('language', samples[index].dataset.language);
    };
    list.addEventListener('keydown', (event) => {
      const at = buttons.indexOf(document.activeElement);
      const to = {
        ArrowRight: (at + 1) % buttons.length,
        ArrowLeft: (at + buttons.length - 1) % buttons.length,
        Home: 0,
        End: buttons.length - 1,
      }[event.key];
      if (to === undefined) return;
      event.preventDefault();
      choose(to, true);
      buttons[to].focus();
    });
    list.append(...buttons);
    samples[0].before(list);
    choose(Math.max(0, samples.findIndex((sample) => sample.dataset.language === kept('language'))), false);
    group.classList.add('tabbed');
  }

  // Contents of the page: the heading that is being read.

  function contents() {
    const links = new Map([...document.querySelectorAll('.toc a')].map((a) => [decodeURIComponent(a.hash.slice(1)), a]));
    const headings = [...links.keys()].map((id) => document.getElementById(id)).filter(Boolean);
    if (headings.length === 0) return;
    let waits = false;
    const mark = () => {
      waits = false;
      const atEnd = innerHeight + scrollY >= document.documentElement.scrollHeight - 4;
      const read = headings.filter((heading) => heading.getBoundingClientRect().top < 140);
      const here = atEnd ? headings.at(-1) : (read.at(-1) ?? headings[0]);
      for (const [id, link] of links) link.classList.toggle('here', id === here.id);
    };
    addEventListener('scroll', () => {
      if (!waits) requestAnimationFrame(mark);
      waits = true;
    }, { passive: true });
    mark();
  }

  // Search: a combobox whose index is loaded when the box is first used.

  // A title that begins with what was asked for goes before a word of a title, that before a
  // part of one, that before what stands near it, and that before the text. All words must be there.
  function rank(entry, words, asked) {
    const title = name(entry).toLowerCase();
    const near = `${entry.t} ${entry.g} ${entry.u}`.toLowerCase();
    const text = entry.x.toLowerCase();
    let score = title.startsWith(asked) ? 100 : 0;
    for (const word of words) {
      const at = title.indexOf(word);
      if (at >= 0) score += at === 0 || /[^\p{L}\p{N}]/u.test(title[at - 1]) ? 20 : 10;
      else if (near.includes(word)) score += 5;
      else if (text.includes(word)) score += 1;
      else return 0;
    }
    return score - title.length / 100;
  }

  // A section's title, or the page's.
  const name = (entry) => entry.s || entry.t;

  function find(index, query) {
    const asked = query.trim().toLowerCase();
    // "tokens" also finds what is said of one token.
    const words = asked.split(/\s+/).filter(Boolean).map((word) => (word.length > 3 ? word.replace(/s$/, '') : word));
    if (words.length === 0) return [];
    return index
      .map((entry) => ({ entry, score: rank(entry, words, asked) }))
      .filter(({ score }) => score > 0)
      .sort((a, b) => b.score - a.score)
      .slice(0, 20)
      .map(({ entry }) => ({ entry, words }));
  }

  function highlighted(text, words) {
    const pattern = new RegExp(`(${words.map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('|')})`, 'gi');
    return text.split(pattern).map((part, at) => (at % 2 ? make('mark', {}, part) : part));
  }

  function excerpt(text, words) {
    const lower = text.toLowerCase();
    const found = words.map((word) => lower.indexOf(word)).filter((at) => at >= 0);
    const first = found.length ? Math.min(...found) : 0;
    const from = first < 60 ? 0 : text.indexOf(' ', first - 50) + 1;
    const to = text.length < from + 180 ? text.length : text.lastIndexOf(' ', from + 180);
    return `${from ? '… ' : ''}${text.slice(from, to)}${to < text.length ? ' …' : ''}`;
  }

  function search() {
    const box = document.querySelector('.search');
    const input = box.querySelector('input');
    const root = new URL(script.dataset.root, location.href);
    const list = make('ul', { role: 'listbox', id: 'found', 'aria-label': 'Results' });
    const state = make('p', { class: 'state', role: 'status' });
    const panel = make('div', { class: 'results', hidden: '' }, list, state);
    box.append(panel);
    let selected = -1;
    let loading;

    const load = () =>
      (loading ??= new Promise((done, fail) => {
        const index = make('script', { src: script.dataset.index });
        index.addEventListener('load', () => done(window.airlockSearch));
        index.addEventListener('error', () => {
          loading = undefined;
          fail(new Error('the index of the search could not be loaded'));
        });
        document.head.append(index);
      }));
    const open = (is) => {
      panel.hidden = !is;
      input.setAttribute('aria-expanded', is);
      if (!is) select(-1);
    };
    const select = (at) => {
      selected = at;
      [...list.children].forEach((option, index) => option.setAttribute('aria-selected', index === at));
      if (at >= 0) {
        input.setAttribute('aria-activedescendant', list.children[at].id);
        list.children[at].scrollIntoView({ block: 'nearest' });
      } else {
        input.removeAttribute('aria-activedescendant');
      }
    };
    const option = ({ entry, words }, at) => {
      const item = make('li', { role: 'option', id: `found-${at}`, 'data-url': new URL(entry.u, root) });
      const where = make('div', { class: 'where' }, make('b', {}, ...highlighted(name(entry), words)), make('small', {}, entry.s ? entry.t : entry.g));
      item.append(where, make('p', { class: 'text' }, ...highlighted(excerpt(entry.x, words), words)));
      return item;
    };
    const show = async () => {
      const asked = input.value;
      if (!asked.trim()) return open(false);
      let index;
      try {
        index = await load();
      } catch (error) {
        list.replaceChildren();
        state.textContent = `Cannot search: ${error.message}.`;
        return open(true);
      }
      if (asked !== input.value) return;
      const found = find(index, asked);
      list.replaceChildren(...found.map(option));
      list.scrollTop = 0;
      state.textContent = found.length ? `${found.length === 20 ? 'The first 20 results' : `${found.length} found`}. Arrow keys choose, Enter opens.` : `Nothing has all of the words “${asked.trim()}”.`;
      open(true);
      select(found.length ? 0 : -1);
    };
    const go = (item) => {
      open(false);
      location.href = item.dataset.url;
    };

    input.addEventListener('focus', () => {
      load().catch(() => {});
      if (input.value) show();
    });
    input.addEventListener('input', show);
    input.addEventListener('keydown', (event) => {
      const count = list.children.length;
      if (event.key === 'Escape') {
        if (panel.hidden) input.blur();
        open(false);
      } else if (event.key === 'Enter' && selected >= 0) {
        go(list.children[selected]);
      } else if (event.key === 'ArrowDown' && count) {
        select((selected + 1) % count);
      } else if (event.key === 'ArrowUp' && count) {
        select((selected + count - 1) % count);
      } else {
        return;
      }
      event.preventDefault();
    });
    list.addEventListener('pointermove', (event) => {
      const at = [...list.children].indexOf(event.target.closest('li'));
      if (at >= 0 && at !== selected) select(at);
    });
    // Before the box loses its focus.
    panel.addEventListener('mousedown', (event) => event.preventDefault());
    list.addEventListener('click', (event) => {
      const item = event.target.closest('li');
      if (item) go(item);
    });
    input.addEventListener('blur', () => open(false));
    addEventListener('keydown', (event) => {
      const typing = /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName ?? '');
      const slash = event.key === '/' && !typing && !event.ctrlKey && !event.metaKey && !event.altKey;
      const k = event.key.toLowerCase() === 'k' && (event.ctrlKey || event.metaKey);
      if (!slash && !k) return;
      event.preventDefault();
      input.focus();
      input.select();
    });
  }

  theme();
  copying();
  document.querySelectorAll('.samples').forEach(tabs);
  contents();
  search();
  document.querySelector('#nav [aria-current="page"]')?.scrollIntoView({ block: 'nearest' });
})();

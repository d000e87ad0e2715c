// Sliders, order and mode. The server is told 'move' while a slider moves and 'settle' after a pause.
const PAUSE = 250;
const list = element.querySelector('.flows');
const told = element.querySelector('[data-told]');
const rows = () => [...list.querySelectorAll('.flow')];
const row = (name) => rows().find((li) => li.dataset.name === name);
const sliderOf = (li) => li.querySelector('input[type=range]');
const numberOf = (li) => li.querySelector('input[type=number]');
const rounded = (li, value) => Number(value.toFixed(Number(li.dataset.places)));
const clamped = (li, value) => Math.min(Number(li.dataset.high), Math.max(Number(li.dataset.low), value));
const position = (li, value) => (li.dataset.log === '1' ? Math.log(value) : value);
const valueAt = (li) => {
  const at = Number(sliderOf(li).value);
  return clamped(li, rounded(li, li.dataset.log === '1' ? Math.exp(at) : at));
};
let value = JSON.parse(JSON.stringify(props.value));
let timer = null;

function show(li) {
  const now = value.values[li.dataset.name];
  const slider = sliderOf(li);
  slider.setAttribute('aria-valuetext', li.dataset.sign === '×' ? 'times ' + now : now + li.dataset.sign);
  const at = (100 * (position(li, now) - slider.min)) / (slider.max - slider.min);
  const rest = (100 * (position(li, Number(li.dataset.rest)) - slider.min)) / (slider.max - slider.min);
  slider.style.setProperty('--from', Math.min(at, rest) + '%');
  slider.style.setProperty('--to', Math.max(at, rest) + '%');
  li.classList.toggle('resting', now === Number(li.dataset.rest));
}
function showAll() {
  value.order.forEach((name) => {
    const li = row(name);
    if (list.lastElementChild !== li) list.append(li);
    sliderOf(li).value = position(li, value.values[name]);
    numberOf(li).value = value.values[name];
    show(li);
  });
  element.querySelector(value.at_once ? '[value=once]' : '[value=turn]').checked = true;
  list.classList.toggle('at-once', value.at_once);
  ends();
}
function ends() {
  rows().forEach((li, index, all) => {
    li.querySelector('[data-act=up]').disabled = index === 0 || value.at_once;
    li.querySelector('[data-act=down]').disabled = index === all.length - 1 || value.at_once;
  });
}
function send(event) {
  props.value = JSON.parse(JSON.stringify(value));
  trigger(event);
}
function settleSoon() {
  clearTimeout(timer);
  timer = setTimeout(settle, PAUSE);
}
function settle() {
  clearTimeout(timer);
  timer = null;
  send('settle');
}
function reorder(li) {
  value.order = rows().map((one) => one.dataset.name);
  ends();
  told.textContent = li.dataset.name + ' runs at place ' + (value.order.indexOf(li.dataset.name) + 1);
  settle();
}

element.addEventListener('input', (event) => {
  const li = event.target.closest('.flow');
  if (event.target.type === 'range') {
    value.values[li.dataset.name] = valueAt(li);
    numberOf(li).value = value.values[li.dataset.name];
    show(li);
    send('move');
    settleSoon();
  }
});
element.addEventListener('change', (event) => {
  const li = event.target.closest('.flow');
  if (event.target.type === 'number') {
    const given = Number(event.target.value);
    const usable = event.target.value !== '' && Number.isFinite(given);
    value.values[li.dataset.name] = usable ? clamped(li, given) : Number(li.dataset.rest);
    showAll();
    settle();
  } else if (event.target.type === 'radio') {
    value.at_once = event.target.value === 'once';
    list.classList.toggle('at-once', value.at_once);
    ends();
    settle();
  }
});
element.addEventListener('click', (event) => {
  const button = event.target.closest('button');
  if (!button) return;
  const li = button.closest('.flow');
  const up = button.dataset.act === 'up';
  if (up) list.insertBefore(li, li.previousElementSibling);
  else list.insertBefore(li.nextElementSibling, li);
  reorder(li);
  if (button.disabled) li.querySelector(up ? '[data-act=down]' : '[data-act=up]').focus();
  else button.focus();
});
let carried = null;
list.addEventListener('dragstart', (event) => {
  if (!event.target.closest('.grip') || value.at_once) return;
  carried = event.target.closest('.flow');
  carried.classList.add('carried');
  event.dataTransfer.effectAllowed = 'move';
  event.dataTransfer.setData('text/plain', carried.dataset.name);
});
list.addEventListener('dragover', (event) => {
  if (!carried) return;
  event.preventDefault();
  const over = event.target.closest('.flow');
  if (!over || over === carried) return;
  const box = over.getBoundingClientRect();
  list.insertBefore(carried, event.clientY > box.top + box.height / 2 ? over.nextElementSibling : over);
});
list.addEventListener('drop', (event) => event.preventDefault());
list.addEventListener('dragend', () => {
  if (!carried) return;
  carried.classList.remove('carried');
  const li = carried;
  carried = null;
  if (rows().map((one) => one.dataset.name).join() !== value.order.join()) reorder(li);
});
// Undo and its like take the sliders as they stand, so nothing is left to be settled.
document.addEventListener('flowdis-history', () => clearTimeout(timer));
watch('value', () => {
  value = JSON.parse(JSON.stringify(props.value));
  showAll();
});
showAll();

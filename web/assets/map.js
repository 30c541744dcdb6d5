// The map on which a place is pinned and an area drawn. What is drawn is written
// into the fields of the form, which work without it; what is typed there is drawn.
(() => {
	'use strict';
	const box = document.querySelector('[data-map]');
	const form = document.getElementById('wish');
	if (!box || !form || !window.L || !window.terraDraw || !window.terraDrawLeafletAdapter) return;
	const view = JSON.parse(box.dataset.map);
	const says = box.querySelector('[data-says]');
	const words = name => says.getAttribute('data-say-' + name); // in the language of the page; # stands for what is filled in
	const say = text => { says.textContent = text; };
	box.hidden = false;
	document.documentElement.classList.add('has-map');

	const still = matchMedia('(prefers-reduced-motion: reduce)').matches;
	const map = L.map(box.querySelector('.canvas'), {zoomAnimation: !still, fadeAnimation: !still, zoomControl: true, maxZoom: 19});
	map.attributionControl.setPrefix(false);
	map.setView([view.lat, view.lon], view.zoom);
	if (view.tiles) L.tileLayer(view.tiles, {attribution: view.credit.replace(/[<>&]/g, ''), maxZoom: 19, referrerPolicy: 'no-referrer'}).addTo(map);
	const style = getComputedStyle(document.documentElement);
	const colour = name => style.getPropertyValue(name).trim();
	const ink = colour('--ink'), notice = colour('--notice'), mark = colour('--mark'), bad = colour('--bad'), link = colour('--link');

	if (view.boundary) {
		const outline = L.geoJSON(view.boundary, {interactive: false, style: {color: ink, weight: 2, fillColor: notice, fillOpacity: .15}}).addTo(map);
		map.fitBounds(outline.getBounds(), {animate: false});
	}
	for (const p of view.points) {
		L.circleMarker([p.lat, p.lon], {radius: 6, color: ink, weight: 1.5, fillColor: p.open ? notice : mark, fillOpacity: 1})
			.bindTooltip(document.createTextNode(p.label).textContent.replace(/[<>&]/g, ' ')).addTo(map);
	}

	// The circle and its ring.
	const fields = form.elements;
	let pin = null, circle = null, ring = null;
	const chosen = () => Number((form.querySelector('input[name=radius]:checked') || form.querySelector('input[name=radius]') || {}).value) || 500;
	const showCircle = fit => {
		if (!view.pin) return;
		const at = pin.getLatLng(), wide = fields.ring ? Number(fields.ring.value) : 0;
		circle.setLatLng(at).setRadius(chosen());
		ring.setLatLng(at).setRadius(wide || 1).setStyle({opacity: wide ? 1 : 0});
		if (fit) map.fitBounds(at.toBounds(2 * Math.max(chosen(), wide) * 1.1), {animate: false});
	};
	const put = (name, value) => {
		let field = fields[name];
		if (!field) {
			field = document.createElement('input');
			field.type = 'hidden';
			field.name = name;
			form.append(field);
		}
		field.value = value;
	};
	// place moves the pin: the form then asks for the place by its position.
	const place = (at, fit) => {
		pin.setLatLng(at);
		if (fields.postcode) fields.postcode.value = '';
		put('lat', at.lat.toFixed(5));
		put('lon', at.lng.toFixed(5));
		showCircle(fit);
		say(words('pin').replace('#', at.lat.toFixed(5) + ', ' + at.lng.toFixed(5)));
		count(at);
	};
	let asked = 0;
	const count = async at => {
		const n = ++asked;
		try {
			const answer = await fetch((document.documentElement.lang === 'cy' ? '/cy' : '') + '/near/density.json?' + new URLSearchParams({lat: at.lat.toFixed(5), lon: at.lng.toFixed(5), radius: chosen()}), {credentials: 'same-origin'});
			if (!answer.ok || n !== asked) return;
			const {rows} = await answer.json();
			for (const row of rows) {
				const line = form.querySelector('[data-distance="' + row.radius + '"]');
				if (!line) continue;
				line.querySelector('[data-rate]').textContent = row.rate;
				const bar = line.querySelector('rect');
				if (bar) bar.setAttribute('width', row.bar);
				if (row.radius === chosen() && row.rate) say(says.textContent + ' ' + words('within').replace('#', row.name + ': ' + row.rate));
			}
		} catch { /* the numbers stay as they are */ }
	};
	if (view.pin) {
		const at = L.latLng(view.lat, view.lon);
		circle = L.circle(at, {radius: chosen(), interactive: false, color: ink, weight: 2, fillColor: notice, fillOpacity: .15}).addTo(map);
		ring = L.circle(at, {radius: 1, interactive: false, color: ink, weight: 1.5, dashArray: '4 6', fill: false}).addTo(map);
		pin = L.marker(at, {draggable: true, keyboard: true, title: words('place'), alt: words('place'), icon: L.divIcon({className: 'pin', iconSize: [26, 26], iconAnchor: [13, 13]})}).addTo(map);
		pin.on('dragend', () => place(pin.getLatLng(), false));
		pin.on('keydown', e => { // the arrow keys move the pin when it has the focus
			const step = {ArrowUp: [0, -10], ArrowDown: [0, 10], ArrowLeft: [-10, 0], ArrowRight: [10, 0]}[e.originalEvent.key];
			if (!step) return;
			L.DomEvent.stop(e.originalEvent);
			place(map.containerPointToLatLng(map.latLngToContainerPoint(pin.getLatLng()).add(step)), false);
		});
		showCircle(view.zoom > 10);
		form.addEventListener('change', e => {
			if (e.target.name === 'radius' || e.target.name === 'ring') showCircle(true);
		});
	}

	// Drawing. The adapter would add a style sheet of its own, which the page's
	// policy forbids; a pane's height can be set without one.
	const {TerraDraw, TerraDrawPolygonMode, TerraDrawRenderMode} = window.terraDraw;
	const adapter = new window.terraDrawLeafletAdapter.TerraDrawLeafletAdapter({lib: L, map});
	adapter.createPaneStyleSheet = (name, height) => {
		const pane = map.createPane(name);
		pane.style.zIndex = 600 + height;
		return pane;
	};
	const polygon = (modeName, line, fill) => new TerraDrawPolygonMode({modeName, pointerDistance: 24,
		styles: {fillColor: fill, fillOpacity: .25, outlineColor: line, outlineWidth: 3, closingPointColor: line, closingPointWidth: 7, closingPointOutlineColor: '#ffffff', closingPointOutlineWidth: 2},
		keyEvents: {cancel: 'Escape', finish: 'Enter'}});
	const hex = (value, otherwise) => /^#[0-9a-f]{6}$/i.test(value) ? value : otherwise;
	const draw = new TerraDraw({adapter, modes: [polygon('outline', hex(link, '#0b4f8a'), '#ffd60a'), polygon('carve', hex(bad, '#b3121d'), '#b3121d'), new TerraDrawRenderMode({modeName: 'still', styles: {}})]});
	draw.start();
	draw.setMode('still');

	const names = ['outline', 'carve'].filter(name => fields[name]);
	const drawn = name => draw.getSnapshot().filter(f => f.geometry.type === 'Polygon' && f.properties.mode === name);
	// corners reads what stands in a field, as the server would; null when it is
	// something that cannot be drawn here.
	const corners = text => {
		text = text.trim();
		if (!text) return [];
		if (text.startsWith('{')) {
			try {
				const g = JSON.parse(text);
				const shape = g.type === 'Feature' ? g.geometry : g;
				const all = shape.type === 'Polygon' ? [shape.coordinates] : shape.type === 'MultiPolygon' ? shape.coordinates : [];
				return all.length && all.every(rings => rings.length === 1) ? all : null; // holes cannot be drawn here, so they stay as typed
			} catch { /* said by the server */ }
			return null;
		}
		const ring = text.split(/[\n;]/).map(l => l.trim()).filter(Boolean).map(l => l.split(/[\s,]+/).map(Number)).map(([lat, lon]) => [lon, lat]);
		if (ring.length < 3 || ring.some(p => p.length !== 2 || p.some(n => !Number.isFinite(n)))) return null;
		return [[[...ring, ring[0]]]];
	};
	const write = name => {
		const shapes = drawn(name).map(f => f.geometry.coordinates);
		if (shapes.length === 1 && shapes[0].length === 1) {
			fields[name].value = shapes[0][0].slice(0, -1).map(([lon, lat]) => lat.toFixed(6) + ', ' + lon.toFixed(6)).join('\n') + '\n';
		} else {
			fields[name].value = shapes.length ? JSON.stringify({type: 'MultiPolygon', coordinates: shapes}) : '';
		}
	};
	const read = (name, fit) => {
		const old = drawn(name).map(f => f.id);
		if (old.length) draw.removeFeatures(old);
		const shapes = corners(fields[name].value);
		if (!shapes || !shapes.length) return;
		const round = n => Math.round(n * 1e6) / 1e6;
		draw.addFeatures(shapes.map(rings => ({type: 'Feature', properties: {mode: name}, geometry: {type: 'Polygon', coordinates: rings.map(r => r.map(([x, y]) => [round(x), round(y)]))}})));
		if (fit) map.fitBounds(L.geoJSON({type: 'MultiPolygon', coordinates: shapes}).getBounds(), {animate: false});
	};
	const clear = box.querySelector('[data-tool=clear]');
	const tools = [...box.querySelectorAll('[data-tool]')].filter(b => b !== clear);
	const tidy = () => { clear.hidden = !names.some(name => drawn(name).length); };
	for (const name of names) {
		read(name, name === 'outline');
		fields[name].addEventListener('change', () => { read(name, true); tidy(); });
	}
	tidy();

	const hints = {
		pin: words('click'),
		outline: words('outline'),
		carve: words('carve'),
	};
	let tool = '';
	const choose = next => {
		tool = next;
		draw.setMode(tool === 'outline' || tool === 'carve' ? tool : 'still');
		for (const b of tools) b.setAttribute('aria-pressed', String(b.dataset.tool === tool));
		box.classList.toggle('pinning', tool === 'pin');
		box.classList.toggle('cornering', tool === 'outline' || tool === 'carve'); // a corner may lie under the pin
		say(hints[tool] || '');
	};
	for (const b of tools) b.addEventListener('click', () => choose(tool === b.dataset.tool ? '' : b.dataset.tool));
	map.on('click', e => {
		if (tool !== 'pin') return;
		place(e.latlng, false);
		choose('');
	});
	draw.on('finish', (id, context) => {
		if (context.action !== 'draw') return;
		const name = tool, fold = fields[name] && fields[name].closest('details');
		write(name);
		if (fold) fold.open = true;
		choose('');
		say(name === 'carve' ? words('carved') : words('drawn').replace('#', drawn(name).at(-1).geometry.coordinates[0].length - 1));
		tidy();
	});
	clear.addEventListener('click', () => {
		for (const name of names) {
			fields[name].value = '';
			read(name, false);
		}
		choose('');
		say(words('nothing'));
		tidy();
		tools[0].focus();
	});

	const locate = box.querySelector('[data-locate]');
	if (locate && navigator.geolocation) {
		locate.addEventListener('click', () => {
			say(words('asking'));
			navigator.geolocation.getCurrentPosition(({coords}) => place(L.latLng(coords.latitude, coords.longitude), true),
				() => say(words('unknown')),
				{enableHighAccuracy: true, timeout: 15000, maximumAge: 60000});
		});
	} else if (locate) {
		locate.remove();
	}
})();

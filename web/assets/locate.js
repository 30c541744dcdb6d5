// Asks the device where it is when somebody presses the button for it, and puts the
// answer into the fields for latitude and longitude. Nothing is asked before, and
// nothing is sent anywhere before the form is.
(() => {
	'use strict';
	if (!navigator.geolocation) return;
	for (const button of document.querySelectorAll('[data-locate]')) {
		const form = button.closest('form');
		if (!form) continue; // the map has its own
		const says = button.parentElement.querySelector('[data-located]');
		const words = name => says.getAttribute('data-say-' + name); // in the language of the page; # stands for what is filled in
		button.parentElement.hidden = false;
		button.addEventListener('click', () => {
			says.textContent = words('asking');
			navigator.geolocation.getCurrentPosition(({coords}) => {
				const postcode = form.elements.postcode, lat = form.elements.lat, lon = form.elements.lon;
				if (postcode) postcode.value = '';
				lat.value = coords.latitude.toFixed(5);
				lon.value = coords.longitude.toFixed(5);
				const fold = lat.closest('details');
				if (fold) fold.open = true;
				says.textContent = words('found').replace('#', Math.round(coords.accuracy));
			}, error => {
				says.textContent = error.code === error.PERMISSION_DENIED
					? words('refused')
					: words('unknown');
			}, {enableHighAccuracy: true, timeout: 15000, maximumAge: 60000});
		});
	}
})();

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
		button.parentElement.hidden = false;
		button.addEventListener('click', () => {
			says.textContent = 'Asking your device…';
			navigator.geolocation.getCurrentPosition(({coords}) => {
				const postcode = form.elements.postcode, lat = form.elements.lat, lon = form.elements.lon;
				if (postcode) postcode.value = '';
				lat.value = coords.latitude.toFixed(5);
				lon.value = coords.longitude.toFixed(5);
				const fold = lat.closest('details');
				if (fold) fold.open = true;
				says.textContent = `Found, to about ${Math.round(coords.accuracy)} m. Press the button below to go on.`;
			}, error => {
				says.textContent = error.code === error.PERMISSION_DENIED
					? 'Your browser does not allow it. Enter a postcode instead.'
					: 'Your device does not know. Enter a postcode instead.';
			}, {enableHighAccuracy: true, timeout: 15000, maximumAge: 60000});
		});
	}
})();
